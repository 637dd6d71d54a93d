// Generated from contract/species.json by `npm run contract`. Do not edit.
export const species = {
  "unknown": [
    "",
    "X",
    "?"
  ],
  "water": {
    "oxygen": [
      "O",
      "OW",
      "OH2"
    ],
    "hydrogen": [
      "H",
      "D",
      "HW",
      "HW1",
      "HW2",
      "H1",
      "H2"
    ],
    "site": [
      "M",
      "MW",
      "EP",
      "EPW",
      "LP",
      "LP1",
      "LP2",
      "X"
    ],
    "mostSites": 2,
    "oxygens": "oxygen of water"
  },
  "all": "all"
} as const;
