"""What two DACs make of the patterns of a frame, edge by edge; written without the encoder."""

from dataclasses import dataclass, field

import numpy as np

from instruments.frames import BITS, WORDS, Layout, Levels

ZERO_CODE = 0x8000


@dataclass
class Dac:
    """Sixteen outputs that follow SCK, data and chip select."""

    shifted: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=lambda: [ZERO_CODE] * 16)
    output: list[int] = field(default_factory=lambda: [ZERO_CODE] * 16)
    words: int = 0
    span: int | None = None

    def execute(self) -> None:
        if not self.shifted:
            return
        assert len(self.shifted) == 24, "a word of another length"
        word = int("".join(map(str, self.shifted)), 2)
        self.shifted = []
        self.words += 1
        command, channel, code = word >> 20, word >> 16 & 15, word & 0xFFFF
        written = self.written
        match command:
            case 0b0000:
                written[channel] = code
            case 0b0010:
                written[channel] = code
                self.output = list(written)
            case 0b0011:
                written[channel] = self.output[channel] = code
            case 0b1000:
                written[:] = [code] * 16
            case 0b1001:
                self.output = list(written)
            case 0b1010:
                written[:] = [code] * 16
                self.output = list(written)
            case 0b1110:
                self.span = code & 7
            case 0b1111:
                pass
            case _:
                raise AssertionError(f"command {command:04b} does not belong into a frame")


def decode(layout: Layout, data: Levels) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of both DACs' outputs during each cell, ``(2, cells, 16)``, and words sent.

    A word acts from the cell on at whose beginning its chip-select pin rises.
    """
    dacs = (Dac(), Dac())
    selects = (layout.select(WORDS), layout.select(BITS))
    outputs = np.empty((2, layout.cells, 16), dtype=int)
    for cell in range(layout.cells):
        for k, (dac, select) in enumerate(zip(dacs, selects, strict=True)):
            if select[cell]:
                dac.execute()
            else:
                dac.shifted.append(int(data[cell]))
            outputs[k, cell] = dac.output
    return outputs, np.array([dac.words for dac in dacs])
