"""Lots as the pipeline is given them."""

from collections.abc import Iterable

from generation_service.api.lot_spool import LotSpool
from generation_service.core.lots import Lot


def spooled(lots: Iterable[Lot]) -> LotSpool:
    spool = LotSpool()
    for lot in lots:
        spool.add(lot)
    return spool
