"""Print every figure of the README: ``python -m benchmarks``."""

from __future__ import annotations

import warnings

from benchmarks import browser, decoding, exports, real_people, sizes, tubes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tubes.main()
    sizes.main()
    decoding.main()
    exports.main()
    browser.main()
    real_people.main()
