"""What the clip would show without movement, from its own frames, and how far each pixel differs from it.

The camera's movement between neighbouring frames is a similarity (shift, rotation, scale), estimated from tracked corners.
If it stays below a pixel, the reference is the median over time. Otherwise every frame is warped to the camera of the middle
frame, on a canvas that holds all frames; the reference is the median of the frames that cover a pixel, warped back.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Affine = NDArray[np.float64]  # 2 x 3, of pixels (x, y)

REFERENCE_SIDE = 64  # pixels of the side for which constants in pixels are given; they grow with the clip
STATIC = 1.0  # pixels: a camera that moves less is still
BEYOND = 2.0  # sides that the canvas reaches beyond the middle frame, at most
FEWEST_CORNERS = 6


def difference_from_reference(frames: Frames, *, stabilised: bool = True) -> NDArray[np.float32]:
    """Return how far each pixel differs from the stabilised median of the clip.

    Parameters
    ----------
    frames : uint8 array (time, height, width, 3)
    stabilised : bool
        False takes the plain median over time, which a moving camera blurs.

    Returns
    -------
    float32 array (time, height, width)
        Euclidean distance of red, green and blue, each in 0..1.
    """
    reference = stabilised_reference(frames) if stabilised else _median(frames)
    difference = (frames.astype(np.float32) - reference) / 255
    distance: NDArray[np.float32] = np.sqrt(np.einsum("tyxc,tyxc->tyx", difference, difference))
    return distance


def stabilised_reference(frames: Frames) -> NDArray[np.float32]:
    """Return the median of a clip over time after its camera's movement is undone, seen by the camera of each frame.

    Parameters
    ----------
    frames : uint8 array (time, height, width, 3)

    Returns
    -------
    float32 array (1 or time, height, width, 3), in 0..255
        One frame for all times if the camera is still.
    """
    cameras = camera_movement(frames)
    if moved_corners(cameras, frames.shape[1], frames.shape[2]) < STATIC:
        return _median(frames)
    return _warped_median(frames, cameras)


def _median(frames: Frames) -> NDArray[np.float32]:
    """Return the median over time, float32 (1, height, width, 3)."""
    median: NDArray[np.float32] = np.median(frames, axis=0, keepdims=True).astype(np.float32)
    return median


def camera_movement(frames: Frames) -> list[Affine]:
    """Return for each frame the map of its pixels (x, y) to those of the middle frame."""
    import cv2

    grey: list[Any] = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in np.ascontiguousarray(frames)]
    steps = [_movement(before, after) for before, after in itertools.pairwise(grey)]
    middle = len(frames) // 2
    cameras: list[Affine] = [np.eye(3) for _ in frames]
    for index in range(middle + 1, len(frames)):
        cameras[index] = cameras[index - 1] @ np.linalg.inv(steps[index - 1])
    for index in range(middle - 1, -1, -1):
        cameras[index] = cameras[index + 1] @ steps[index]
    return [camera[:2] for camera in cameras]


def _movement(before: Any, after: Any) -> Affine:
    """Return the 3 x 3 similarity that maps pixels of one grey frame to the next; the identity if it cannot be found."""
    import cv2

    scale = min(before.shape) / REFERENCE_SIDE
    corners = cv2.goodFeaturesToTrack(before, 200, 0.01, max(2.0, 3 * scale))
    if corners is None or len(corners) < FEWEST_CORNERS:
        return np.eye(3)
    window = 2 * round(4 * max(1.0, scale)) + 1
    track: Any = cv2.calcOpticalFlowPyrLK  # its stubs do not take the None that it documents
    moved, found, _ = track(before, after, corners, None, winSize=(window, window), maxLevel=2)
    is_found = found[:, 0] > 0
    if is_found.sum() < FEWEST_CORNERS:
        return np.eye(3)
    estimate, inliers = cv2.estimateAffinePartial2D(
        corners[is_found], moved[is_found], method=cv2.RANSAC, ransacReprojThreshold=max(0.5, 0.5 * scale)
    )
    # A similarity that most corners contradict is no camera.
    if estimate is None or inliers.mean() < 0.25 or not 0.5 < np.hypot(*estimate[:, 0]) < 2:
        return np.eye(3)
    return np.vstack([estimate, [0, 0, 1]])


def moved_corners(cameras: list[Affine], height: int, width: int) -> float:
    """Return the largest distance in pixels that a corner of the picture moves between the middle frame and another."""
    corners = np.array([[x, y, 1] for x in (0, width - 1) for y in (0, height - 1)], np.float64)
    return max(float(np.linalg.norm(corners @ camera.T - corners[:, :2], axis=1).max()) for camera in cameras)


def _warped_median(frames: Frames, cameras: list[Affine]) -> NDArray[np.float32]:
    """Return the median on the canvas of the middle camera, warped back to every frame."""
    import cv2

    _, height, width, _ = frames.shape
    left, top, size = _canvas(cameras, height, width)
    shift = np.array([[0, 0, -left], [0, 0, -top]], np.float64)
    to_canvas = [camera + shift for camera in cameras]
    votes = [cv2.warpAffine(np.ones((height, width), np.float32), m, size, flags=cv2.INTER_LINEAR) for m in to_canvas]
    is_seen = np.stack(votes) > 0.999
    median: Any = np.zeros((size[1], size[0], 3), np.float32)
    for channel in range(3):
        planes: list[Any] = list(np.ascontiguousarray(frames[..., channel], np.float32))
        layers = [
            cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_LINEAR)
            for plane, matrix in zip(planes, to_canvas, strict=True)
        ]
        median[..., channel] = _median_of_seen(np.stack(layers), is_seen)
    back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    known: Any = is_seen.any(axis=0).astype(np.float32)
    reference = np.empty(frames.shape, np.float32)
    for index, matrix in enumerate(to_canvas):
        seen = cv2.warpAffine(median, matrix, (width, height), flags=back)
        covered = cv2.warpAffine(known, matrix, (width, height), flags=back) > 0.999
        # At the border of what any frame saw, a frame is its own reference.
        reference[index] = np.where(covered[..., None], seen, frames[index])
    return reference


def _canvas(cameras: list[Affine], height: int, width: int) -> tuple[int, int, tuple[int, int]]:
    """Return left, top and (width, height) of the canvas that holds all frames, in pixels of the middle frame."""
    corners = np.array([[x, y, 1] for x in (0, width) for y in (0, height)], np.float64)
    spots = np.concatenate([corners @ camera.T for camera in cameras])
    least, most = np.array([-BEYOND * width, -BEYOND * height]), np.array([(1 + BEYOND) * width, (1 + BEYOND) * height])
    left, top = np.floor(np.clip(spots.min(axis=0), least, 0)).astype(int)
    right, bottom = np.ceil(np.clip(spots.max(axis=0), [width, height], most)).astype(int)
    return int(left), int(top), (int(right - left), int(bottom - top))


def _median_of_seen(values: NDArray[np.float32], is_seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the median over axis 0 of the seen values: the mean of the two middle ones of an even number."""
    ordered = np.sort(np.where(is_seen, values, np.inf), axis=0)
    count = np.maximum(is_seen.sum(axis=0), 1)
    low, high = np.take_along_axis(ordered, np.stack([(count - 1) // 2, count // 2]), axis=0)
    median: NDArray[np.float32] = np.where(is_seen.any(axis=0), (low + high) / 2, 0).astype(np.float32)
    return median
