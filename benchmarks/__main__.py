"""Print every figure of the README: ``python -m benchmarks``."""

from __future__ import annotations

import warnings

from benchmarks import blocks, browser, decoding, exports, pyramids, real_people, routing, sizes, tubes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tubes.main()
    pyramids.main()
    routing.main()
    sizes.main()
    decoding.main()
    exports.main()
    blocks.main()
    browser.main()
    real_people.main()
