"""Cells by brute force; fills against closed forms, scipy's Gaussian and scipy's sparse solver."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from notebook_explain.evaluation.cells import Cells, check_grid
from notebook_explain.evaluation.fills import filling
from notebook_explain.evaluation.linear_imputation import DIAGONAL, DIRECT, impute
from notebook_explain.models.fills import blurred

SIZE = (5, 7, 9)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("grid", [(2, 3, 4), (5, 7, 9), (1, 1, 1), (8, 8, 8)])
def test_cells_divide_every_voxel_once(grid: tuple[int, int, int]) -> None:
    cells = Cells(SIZE, grid)
    owners = cells.expand(torch.arange(cells.count)[None])[0].numpy()
    assert owners.shape == SIZE
    assert sorted(set(owners.ravel())) == list(range(cells.count))
    volume = RNG.normal(size=SIZE)
    expected = [volume[owners == cell].sum() for cell in range(cells.count)]
    np.testing.assert_allclose(cells.sums(volume), expected)
    np.testing.assert_allclose(cells.volumes, np.bincount(owners.ravel()))
    np.testing.assert_allclose(cells.means(volume), ndimage.mean(volume, owners, range(cells.count)))
    blocks = [np.ptp(np.argwhere(owners == cell), 0) + 1 for cell in range(cells.count)]
    assert all(np.prod(block) == count for block, count in zip(blocks, cells.volumes, strict=True))  # boxes


def test_a_grid_is_three_whole_numbers() -> None:
    assert check_grid(4) == (4, 4, 4)
    assert check_grid([1, 2, 3]) == (1, 2, 3)
    with pytest.raises(ValueError, match=r"grid must be \(time, height, width\)"):
        check_grid((2, 2))
    with pytest.raises(TypeError, match="grid must be a number of cells"):
        check_grid("8")
    with pytest.raises(ValueError, match="grid must be at least 1"):
        check_grid((0, 1, 1))


def _video(size: tuple[int, int, int] = (6, 8, 10)) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(1, 3, *size))).float()


def test_blur_is_a_gaussian_of_an_eighth_of_each_axis() -> None:
    video = _video((16, 24, 32))
    expected = video[0].numpy()
    for axis, length in enumerate(video.shape[2:], 1):
        sigma = length / 8
        expected = ndimage.gaussian_filter1d(expected, sigma, axis, mode="nearest", radius=round(3 * sigma))
    np.testing.assert_allclose(blurred(video)[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("fill", ["blur", "freeze", "mean", "linear"])
def test_what_is_shown_stays_and_a_clip_that_is_hidden_has_no_sharp_motion(fill: str) -> None:
    video = _video()
    shown = torch.rand(3, 6, 8, 10, generator=torch.Generator().manual_seed(0)) > 0.5
    shown[0], shown[1] = True, False
    clips = filling(video, fill)(shown)
    assert torch.equal(clips[0], video[0])
    assert torch.equal(clips[2][:, shown[2]], video[0][:, shown[2]])
    assert not torch.allclose(clips[2], video[0])
    if fill != "linear":  # whose values depend on what is shown
        assert torch.equal(clips[2][:, ~shown[2]], clips[1][:, ~shown[2]])
    backgrounds = {"mean": video.mean((2, 3, 4), keepdim=True)[0], "freeze": video.mean(2, keepdim=True)[0]}
    if fill in backgrounds:
        torch.testing.assert_close(clips[1], backgrounds[fill].expand_as(clips[1]))
    assert clips[1].var() < 0.5 * video.var()
    torch.testing.assert_close(filling(video, fill)(shown.float()), clips)


def test_linear_imputation_solves_the_sparse_system() -> None:
    video, rng = _video((4, 5, 6)), np.random.default_rng(2)
    known = torch.from_numpy(rng.random((2, 4, 5, 6)) < np.array([0.6, 0.1])[:, None, None, None])
    found = impute(video, known, noise=0.0)
    for index in range(2):
        expected = _solved(video[0].numpy().astype(float), known[index].numpy())
        np.testing.assert_allclose(found[index].numpy(), expected, atol=5e-3)


def _solved(video: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Solve the system with its matrix, voxel by voxel."""
    size = known.shape
    hidden = [tuple(voxel) for voxel in np.argwhere(~known)]
    number = {voxel: index for index, voxel in enumerate(hidden)}
    matrix, right = sparse.lil_matrix((len(hidden), len(hidden))), np.zeros((len(hidden), len(video)))
    for voxel, row in number.items():
        for offset in itertools.product((-1, 0, 1), repeat=3):
            other = tuple(np.add(voxel, offset))
            inside = all(0 <= place < length for place, length in zip(other, size, strict=True))
            if np.abs(offset).sum() not in (1, 2) or not inside:
                continue
            weight = DIRECT if np.abs(offset).sum() == 1 else DIAGONAL
            matrix[row, row] += weight
            if other in number:
                matrix[row, number[other]] -= weight
            else:
                right[row] += weight * video[(slice(None), *other)]
    result = video.copy()
    result[:, ~known] = spsolve(matrix.tocsr(), right).T
    return result


def test_noise_of_linear_imputation_depends_on_the_seed_only_and_not_on_the_global_one() -> None:
    video, known = _video(), torch.zeros(1, 6, 8, 10, dtype=torch.bool)
    known[:, :, :2] = True
    torch.manual_seed(1)
    first = impute(video, known, seed=3)
    torch.manual_seed(2)
    assert torch.equal(first, impute(video, known, seed=3))
    assert not torch.equal(first, impute(video, known, seed=4))
    noise = first - impute(video, known, noise=0.0)
    assert float(noise[:, :, known[0]].abs().max()) == 0
    assert float(noise[:, :, ~known[0]].std()) == pytest.approx(0.01 * float(video.std()), rel=0.1)


def test_an_imputed_clip_does_not_depend_on_the_others_of_its_batch() -> None:
    video, rng = _video(), np.random.default_rng(3)
    known = torch.from_numpy(rng.random((3, 6, 8, 10)) < np.array([0.9, 0.5, 0.02])[:, None, None, None])
    together = impute(video, known)
    alone = torch.cat([impute(video, one[None]) for one in known])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
