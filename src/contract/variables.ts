// Generated from contract/variables.json by `npm run contract`. Do not edit.
export const variables = {
  "every": {
    "name": "label"
  },
  "means": {
    "reduce": "reduction",
    "switch": "switch",
    "select": "selection"
  },
  "kinds": {
    "fraction": {
      "isMean": true,
      "may": {
        "class": "class",
        "classes": "classes"
      },
      "either": [
        "class",
        "classes"
      ]
    },
    "meanLogit": {
      "isMean": true,
      "needs": {
        "class": "class"
      }
    },
    "logitDifference": {
      "isMean": true,
      "needs": {
        "class": "class",
        "minus": "class"
      }
    },
    "distance": {
      "isMean": true,
      "needs": {
        "class": "class"
      }
    },
    "logDensity": {
      "isMean": true
    },
    "sum": {
      "needs": {
        "terms": "terms"
      },
      "may": {
        "constant": "number"
      }
    },
    "smoothMin": {
      "needs": {
        "variables": "variables",
        "sharpness": "positive"
      }
    },
    "smoothMax": {
      "needs": {
        "variables": "variables",
        "sharpness": "positive"
      }
    },
    "switch": {
      "needs": {
        "variable": "variable",
        "centre": "number",
        "width": "positive"
      }
    }
  },
  "values": {
    "number": {
      "is": "number",
      "expected": "a number"
    },
    "positive": {
      "is": "number",
      "above": 0,
      "expected": "a number above 0"
    },
    "notNegative": {
      "is": "number",
      "least": 0,
      "expected": "a number of at least 0"
    },
    "whole": {
      "is": "whole",
      "expected": "a whole number"
    },
    "axis": {
      "is": "choice",
      "of": [
        0,
        1,
        2
      ],
      "expected": "0, 1 or 2"
    },
    "reduction": {
      "is": "choice",
      "of": [
        "mean",
        "sum"
      ],
      "expected": "one of mean, sum"
    },
    "class": {
      "is": "text",
      "expected": "a name"
    },
    "label": {
      "is": "text",
      "pattern": "[A-Za-z0-9_.-]{1,128}",
      "expected": "a name of 1 to 128 letters, digits, _, . and -"
    },
    "classes": {
      "is": "list",
      "of": [
        "class"
      ],
      "expected": "a list of names of classes"
    },
    "ids": {
      "is": "list",
      "of": [
        "whole"
      ],
      "expected": "a list of whole numbers"
    },
    "species": {
      "is": "list",
      "of": [
        "class",
        "whole"
      ],
      "expected": "a list of names or whole numbers of species"
    },
    "point": {
      "is": "list",
      "of": [
        "number"
      ],
      "length": 3,
      "expected": "a list of 3 numbers"
    },
    "switch": {
      "is": "object",
      "needs": {
        "centre": "number",
        "width": "positive"
      }
    },
    "selection": {
      "is": "object",
      "may": {
        "ids": "ids",
        "species": "species",
        "region": "region"
      },
      "isNeverEmpty": true
    },
    "region": {
      "is": "union",
      "key": "axis",
      "with": "slab",
      "without": "ball"
    },
    "slab": {
      "is": "object",
      "needs": {
        "axis": "axis",
        "from": "number",
        "to": "number",
        "width": "notNegative"
      },
      "ascending": [
        "from",
        "to"
      ]
    },
    "ball": {
      "is": "object",
      "needs": {
        "centre": "point",
        "radius": "notNegative",
        "width": "notNegative"
      }
    },
    "term": {
      "is": "object",
      "needs": {
        "weight": "number",
        "variable": "variable"
      }
    },
    "terms": {
      "is": "items",
      "of": "term",
      "expected": "a list of at least one entry"
    },
    "variables": {
      "is": "items",
      "of": "variable",
      "expected": "a list of at least one entry"
    },
    "variable": {
      "is": "variable"
    }
  }
} as const;
