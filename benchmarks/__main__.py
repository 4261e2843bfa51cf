"""Measure and print every figure of the README: ``python -m benchmarks``."""

from __future__ import annotations

import warnings

from benchmarks import blocks, browser, channel_graphs, decoding, exports, pages, pyramids, real_people, sizes, tubes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tubes.main()
    pyramids.main()
    channel_graphs.main()
    sizes.main()
    pages.main()
    decoding.main()
    exports.main()
    blocks.main()
    browser.main()
    real_people.main()
