"""Which satellites an emulated receiver uses and sees.

Enters: how many. Leaves: their numbers by constellation. Called by the emulated receivers. The shares are those of a
receiver in China: half BeiDou and GPS, the rest Galileo, GLONASS and QZSS. Whoever uses fewer uses some of the same.
"""

from itertools import cycle, islice

from firmware_bridge.sky import System

ORDER = (
    System.GPS, System.BEIDOU, System.GALILEO, System.BEIDOU, System.GPS, System.GLONASS, System.BEIDOU, System.QZSS,
)  # fmt: skip
NUMBERS = {
    System.GPS: range(1, 33),
    System.GLONASS: range(65, 89),
    System.GALILEO: range(1, 37),
    System.BEIDOU: range(6, 62),
    System.QZSS: range(1, 5),
}
"""Numbers as NMEA 4.11 gives them to each constellation."""
TALKERS = {
    System.GPS: "GP",
    System.GLONASS: "GL",
    System.GALILEO: "GA",
    System.BEIDOU: "GB",
    System.QZSS: "GQ",
}
COUNT_MAX = sum(len(numbers) for numbers in NUMBERS.values())


def satellites(count: int) -> dict[System, list[int]]:
    """`count` satellites, at most COUNT_MAX. The list of a smaller count is the beginning of that of a larger one."""
    out: dict[System, list[int]] = {system: [] for system in NUMBERS}
    left = min(count, COUNT_MAX)
    for system in islice(cycle(ORDER), COUNT_MAX * len(ORDER)):
        if left == 0:
            break
        have = out[system]
        if len(have) < len(NUMBERS[system]):
            have.append(NUMBERS[system][len(have)])
            left -= 1
    return out
