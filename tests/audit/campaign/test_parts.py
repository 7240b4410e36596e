from __future__ import annotations

import numpy as np

from morelli.audit.campaign.parts import by_month


def test_dates_become_months_and_other_words_stay():
    codes = np.array([0, 1, 2, 1], np.int32)
    assert by_month(codes, ["2026-01-02", "2026-01-31T10:00:00Z", ""])[1] == ["2026-01", ""]
    assert by_month(codes, ["2026-01-02", "2026-01-31", ""])[0].tolist() == [0, 0, 1, 0]
    for names in (["2026-01-02", "soon", ""], ["2026-13-02", "2026-01-02", "2026-01-03"], ["", "", ""]):
        kept, same = by_month(codes, names)
        assert (kept.tolist(), same) == (codes.tolist(), names)
