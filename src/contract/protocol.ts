// Generated from contract/protocol.json by `npm run contract`. Do not edit.
export const protocol = {
  "version": 3,
  "dtypes": {
    "f32": 4,
    "f64": 8,
    "i32": 4,
    "u16": 2,
    "u8": 1
  },
  "messages": [
    "hello",
    "analyse",
    "ping",
    "status",
    "series",
    "subscribe",
    "unsubscribe",
    "goodbye"
  ],
  "modes": [
    "monitor",
    "request",
    "bias"
  ],
  "capabilities": [
    "monitor",
    "request",
    "bias",
    "denoise",
    "seed",
    "subscribe",
    "series"
  ],
  "sharedCapability": "shared",
  "fields": {
    "labels": {
      "dtype": "u16",
      "shape": [
        "atoms"
      ]
    },
    "confidence": {
      "dtype": "f32",
      "shape": [
        "atoms"
      ]
    },
    "margin": {
      "dtype": "f32",
      "shape": [
        "atoms"
      ]
    },
    "distance": {
      "dtype": "f32",
      "shape": [
        "atoms"
      ]
    },
    "probabilities": {
      "dtype": "f32",
      "shape": [
        "atoms",
        "classes"
      ]
    },
    "logits": {
      "dtype": "f32",
      "shape": [
        "atoms",
        "classes"
      ]
    },
    "denoised": {
      "dtype": "f64",
      "shape": [
        "atoms",
        3
      ]
    },
    "score": {
      "dtype": "f64",
      "shape": [
        "atoms",
        3
      ]
    },
    "forces": {
      "dtype": "f64",
      "shape": [
        "atoms",
        3
      ]
    },
    "virial": {
      "dtype": "f64",
      "shape": [
        3,
        3
      ]
    }
  },
  "observedFields": [
    "labels",
    "confidence",
    "margin",
    "distance",
    "positions",
    "cell",
    "species"
  ],
  "addresses": {
    "tcp": "tcp://(\\[[0-9a-fA-F:.]+\\]|[^:/\\[\\]\\s]+):([0-9]{1,5}|\\*)",
    "hostOfThisMachine": "localhost|\\[::1\\]|127(?:\\.[0-9]{1,3}){3}",
    "largestPort": 65535,
    "pathWithoutFile": "@[\\s\\S]*|\\*"
  },
  "access": {
    "runtimeVariable": "XDG_RUNTIME_DIR",
    "systemFolder": "/run/user/{user}",
    "folder": "phasewire",
    "folderOfUser": "phasewire-{user}",
    "socket": "server.sock",
    "loopback": "tcp://127.0.0.1:5757",
    "tokenFile": "token-{host}-{port}",
    "tokenVariable": "PHASEWIRE_TOKEN",
    "token": "[0-9a-f]{64}",
    "nonce": "[0-9a-f]{64}",
    "open": "open",
    "clientRole": "phasewire-client",
    "serverRole": "phasewire-server"
  },
  "sharedFile": {
    "name": "phasewire-(\\d{1,10})-[0-9a-f]{32}",
    "token": "[0-9a-f]{32}"
  },
  "keys": {
    "server": "server.key",
    "serverSecret": "server.key_secret",
    "client": "client.key",
    "clientSecret": "client.key_secret"
  }
} as const;
