// Generated from contract/model.json by `npm run contract`. Do not edit.
export const model = {
  "format": "phasewire-model",
  "version": 1,
  "mostHeaderBytes": 16777216,
  "firstClass": "disordered",
  "stackedClass": "dhcp",
  "itemBytes": {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8
  },
  "sizes": {
    "classCount": {
      "meaning": "Classes, with class 0",
      "core": "CLASSES",
      "least": 2,
      "most": 1023,
      "step": 1,
      "constants": {
        "most": "MAX_CLASSES"
      }
    },
    "basisCount": {
      "meaning": "Radial basis functions",
      "core": "BASIS",
      "least": 2,
      "most": 64,
      "step": 1,
      "constants": {
        "most": "MAX_BASIS"
      }
    },
    "channels": {
      "meaning": "Density channels",
      "core": "CHANNELS",
      "least": 8,
      "most": 16,
      "step": 8,
      "usual": 16,
      "constants": {
        "most": "MAX_CHANNELS",
        "step": "CHANNEL_STEP"
      }
    },
    "lmax": {
      "meaning": "Highest degree of the harmonics",
      "core": "LMAX",
      "least": 2,
      "most": 6,
      "step": 1,
      "usual": 6,
      "constants": {
        "least": "MIN_LMAX",
        "most": "MAX_LMAX"
      }
    },
    "skippedDegree": {
      "meaning": "The degree that is left out, or 0 for none",
      "core": "SKIPPED_DEGREE",
      "least": 0,
      "most": 5,
      "step": 5,
      "usual": 0,
      "only": {
        "size": "lmax",
        "is": 6
      },
      "constants": {
        "most": "SKIPPABLE_DEGREE"
      }
    },
    "innerWidth": {
      "meaning": "First layer of network 1",
      "core": "INNER",
      "least": 8,
      "most": 128,
      "step": 8,
      "usual": 64,
      "constants": {
        "most": "MAX_INNER",
        "step": "WIDTH_STEP"
      }
    },
    "hiddenWidth": {
      "meaning": "Hidden numbers per atom",
      "core": "HIDDEN",
      "least": 8,
      "most": 64,
      "step": 8,
      "usual": 32,
      "constants": {
        "most": "MAX_HIDDEN"
      }
    },
    "messageWidth": {
      "meaning": "Number of hidden numbers that enter the messages, from the first on",
      "core": "MESSAGE",
      "least": 8,
      "most": "hiddenWidth",
      "step": 8,
      "usual": 32
    },
    "outerWidth": {
      "meaning": "Last hidden layer",
      "core": "OUTER",
      "least": 16,
      "most": 512,
      "step": 16,
      "usual": 64,
      "constants": {
        "most": "MAX_OUTER",
        "step": "OUTER_STEP"
      }
    },
    "knownWidth": {
      "meaning": "Layer of the network that decides whether denoised surroundings are those of a class, or 0 for none",
      "core": "KNOWN",
      "least": 0,
      "most": 128,
      "step": 8,
      "usual": 0,
      "constants": {
        "most": "MAX_KNOWN"
      }
    }
  },
  "constants": {
    "cutoff": {
      "core": "CUTOFF",
      "least": 0.5,
      "most": 6
    },
    "basisFirst": {
      "core": "BASIS_FIRST",
      "least": -10,
      "most": 10
    },
    "basisLast": {
      "core": "BASIS_LAST",
      "least": -10,
      "most": 10
    },
    "basisWidth": {
      "core": "BASIS_WIDTH",
      "least": 0.01,
      "most": 10
    },
    "epsilon": {
      "core": "EPSILON",
      "least": 1e-9,
      "most": 1
    },
    "logitLength": {
      "core": "LOGIT_LENGTH",
      "least": 0.0001,
      "most": 10
    }
  },
  "tensors": {
    "radial.mix": [
      [
        2
      ],
      [
        "channels",
        1
      ],
      [
        "basisCount"
      ]
    ],
    "invariants.mix": [
      [
        "degrees"
      ],
      [
        "channels"
      ],
      [
        "channels"
      ]
    ],
    "standard.mean": [
      [
        "invariants"
      ]
    ],
    "standard.scale": [
      [
        "invariants"
      ]
    ],
    "network1.weight0": [
      [
        "innerWidth"
      ],
      [
        "invariants"
      ]
    ],
    "network1.bias0": [
      [
        "innerWidth"
      ]
    ],
    "network1.weight1": [
      [
        "hiddenWidth"
      ],
      [
        "innerWidth"
      ]
    ],
    "network1.bias1": [
      [
        "hiddenWidth"
      ]
    ],
    "network2.weight0": [
      [
        "outerWidth"
      ],
      [
        "hiddenWidth",
        "messageWidth"
      ]
    ],
    "network2.bias0": [
      [
        "outerWidth"
      ]
    ],
    "network2.weight1": [
      [
        "classCount"
      ],
      [
        "outerWidth"
      ]
    ],
    "network2.bias1": [
      [
        "classCount"
      ]
    ],
    "known.weight0": [
      [
        "knownWidth"
      ],
      [
        "hiddenWidth",
        "messageWidth"
      ]
    ],
    "known.bias0": [
      [
        "knownWidth"
      ]
    ],
    "known.weight1": [
      [
        "knownWidth"
      ]
    ]
  }
} as const;
