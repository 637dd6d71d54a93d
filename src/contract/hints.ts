// Generated from contract/hints.json by `npm run contract`. Do not edit.
export const hints = {
  "codes": {
    "MERGE_SPECIES": {
      "meaning": "Several species share the sites of a lattice at random, and the labels change if they count as one.",
      "message": "{species} occupy the same sites; as one species, {share} % of the atoms are {class} instead of {before} %",
      "remedy": "--species {map}"
    },
    "LIGHT_ATOMS": {
      "meaning": "Light atoms between the others hide the lattice of these.",
      "message": "without the {species}, {share} % of the other atoms are {class} instead of {before} %",
      "remedy": "--select {hosts}"
    }
  },
  "light": [
    "H",
    "D",
    "T",
    "He",
    "B",
    "C",
    "N",
    "O"
  ],
  "leastShare": 0.9,
  "leastGain": 0.1,
  "leastLight": 0.05,
  "marginGain": 1.5
} as const;
