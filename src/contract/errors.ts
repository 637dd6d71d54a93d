// Generated from contract/errors.json by `npm run contract`. Do not edit.
export const errors = {
  "codes": {
    "NON_FINITE_POSITIONS": {
      "kind": "input",
      "meaning": "A coordinate is NaN or infinite, or so large that it cannot be wrapped into the cell.",
      "remedy": "Check the run that wrote the frame: its time step, its potential, or a truncated file."
    },
    "SHAPE_MISMATCH": {
      "kind": "input",
      "meaning": "The arrays of a frame have different numbers of atoms, or an array has the wrong length.",
      "remedy": "Give 3 coordinates and one species for each atom, and 9 numbers for a cell."
    },
    "SINGULAR_CELL": {
      "kind": "input",
      "meaning": "The vectors of the periodic axes span no volume.",
      "remedy": "Give linearly independent vectors for the periodic axes, or make the missing axis non-periodic."
    },
    "NON_FINITE_CELL": {
      "kind": "input",
      "meaning": "A cell component is NaN or infinite.",
      "remedy": "Check where the cell comes from; a barostat that blew up is the usual reason."
    },
    "MISSING_CELL": {
      "kind": "input",
      "meaning": "An axis is periodic, but the frame has no cell.",
      "remedy": "Give the cell (Lattice in extended XYZ), or set every axis non-periodic."
    },
    "UNKNOWN_SPECIES": {
      "kind": "input",
      "meaning": "A species is missing or unusable, although the analysis distinguishes species.",
      "remedy": "Name the species of every atom, or ignore species (--ignore-species, ignoreSpecies: true; species=None in Python)."
    },
    "BAD_LENGTH_SCALE": {
      "kind": "input",
      "meaning": "The length scale is zero, negative or not a finite number.",
      "remedy": "Give (volume per atom)^(1/3) of the phase of interest, in the length unit of the positions, or omit it; it is then estimated."
    },
    "COINCIDENT_ATOMS": {
      "kind": "input",
      "meaning": "Two atoms are closer to each other than 0.05 length scales.",
      "remedy": "Remove the duplicate atom, or check the cell and the length unit. The usual reason is an atom that was written twice, once at each side of the cell. A length scale that is too long has the same effect: give it (--length-scale, lengthScale; length_scale in Python)."
    },
    "EMPTY_FRAME": {
      "kind": "input",
      "meaning": "The frame holds no atoms.",
      "remedy": "Omit empty frames."
    },
    "TOO_LARGE": {
      "kind": "input",
      "meaning": "The frame needs more memory than the core or the receiver may take.",
      "remedy": "Analyse fewer atoms at once: part of the system, or one species."
    },
    "MODEL_NOT_FOUND": {
      "kind": "model",
      "meaning": "No model of that name ships, and no file is at that path.",
      "remedy": "Run `phasewire models` for the names, or give the path of a .safetensors file."
    },
    "MODEL_FORMAT": {
      "kind": "model",
      "meaning": "The model file is not a readable safetensors file: it is truncated, or its header is damaged.",
      "remedy": "Copy or download the file again; models/FORMAT.md describes its contents."
    },
    "MODEL_HASH": {
      "kind": "model",
      "meaning": "The SHA-256 of the model file is not the expected one.",
      "remedy": "The file was changed or damaged: copy it again, or export it again from training/."
    },
    "MODEL_VERSION": {
      "kind": "model",
      "meaning": "The model file has a format or version that this release does not read.",
      "remedy": "Use the release that the model was made for, or export the model again."
    },
    "MODEL_SHAPE": {
      "kind": "model",
      "meaning": "A tensor of the model is missing, or its shape or type differs from models/FORMAT.md.",
      "remedy": "Export the model again with the training scripts of this release."
    },
    "MODEL_NON_FINITE": {
      "kind": "model",
      "meaning": "The model holds a number that is NaN or infinite.",
      "remedy": "The training diverged: export an earlier checkpoint."
    },
    "FILE_FORMAT": {
      "kind": "input",
      "meaning": "A structure file could not be read; the message gives the line.",
      "remedy": "Correct the line, or write the file again as extended XYZ."
    },
    "EMPTY_SELECTION": {
      "kind": "input",
      "meaning": "A selection holds no atom of the frame, or names a species or an id that no atom has.",
      "remedy": "Select species or ids that the frame holds."
    },
    "MESSAGE_FORMAT": {
      "kind": "protocol",
      "meaning": "A message does not consist of the MessagePack header and the frames of the protocol.",
      "remedy": "Encode messages as bridge/PROTOCOL.md says."
    },
    "MESSAGE_SHAPE": {
      "kind": "protocol",
      "meaning": "An array announced in a message has a shape or type that its field does not allow.",
      "remedy": "Send arrays with the dtype and shape that bridge/PROTOCOL.md states for the field."
    },
    "MESSAGE_LENGTH": {
      "kind": "protocol",
      "meaning": "The number of bytes in a raw frame does not match its dtype and shape.",
      "remedy": "Send each array whole, little-endian and row-major."
    },
    "MESSAGE_FLOOD": {
      "kind": "protocol",
      "meaning": "The peer sent many messages that were not asked for, and was disconnected.",
      "remedy": "Check which program listens at the address: it is not a phase server, or a faulty one."
    },
    "SHARED_MEMORY": {
      "kind": "protocol",
      "meaning": "Arrays in shared memory are not available: the file was cut short or closed.",
      "remedy": "Send the arrays in messages; clients switch to this by themselves until their next session."
    },
    "MESSAGE_TYPE": {
      "kind": "protocol",
      "meaning": "The message type is unknown.",
      "remedy": "Use a message type of bridge/PROTOCOL.md that the server announced."
    },
    "PROTOCOL_VERSION": {
      "kind": "protocol",
      "meaning": "The two sides have no protocol version in common.",
      "remedy": "Install the same release of phasewire on both sides."
    },
    "NO_SESSION": {
      "kind": "protocol",
      "meaning": "The connection has no session: it never sent hello, or the server restarted after it.",
      "remedy": "Send hello first; clients do this again by themselves after a restart."
    },
    "QUEUE_FULL": {
      "kind": "protocol",
      "meaning": "The session already has as many unanswered requests as the server keeps.",
      "remedy": "Wait for answers before sending more, or use monitor mode, which drops the oldest frame instead."
    },
    "ACCESS_DENIED": {
      "kind": "protocol",
      "meaning": "Client and server do not belong to the same user, or cannot prove it, or a secret file is open to others.",
      "remedy": "Run both as the same user with the same runtime folder (XDG_RUNTIME_DIR), or use CURVE keys."
    },
    "OVERLOADED": {
      "kind": "protocol",
      "meaning": "The server holds as many bytes of frames as it may, of this client or of all.",
      "remedy": "Send the frame again after answers to earlier ones, send fewer or smaller frames at once, or start the server with a larger --max-memory."
    },
    "ENDPOINT_IN_USE": {
      "kind": "input",
      "meaning": "Another process is listening at the address.",
      "remedy": "Stop the other server, or give another --endpoint."
    },
    "ENDPOINT_INSECURE": {
      "kind": "input",
      "meaning": "The address can be reached from other machines, but no CURVE keys were given.",
      "remedy": "Use ipc:// or tcp://127.0.0.1, or give CURVE keys."
    },
    "SERVER_UNREACHABLE": {
      "kind": "unreachable",
      "meaning": "No server answers at the address.",
      "remedy": "Start one with `phasewire serve`, and compare the addresses."
    },
    "TIMEOUT": {
      "kind": "deadline",
      "meaning": "An answer did not arrive within its deadline.",
      "remedy": "Allow more time, send fewer frames, or give the server more threads."
    },
    "ABORTED": {
      "kind": "aborted",
      "meaning": "The analysis was ended before it was done: its caller asked for that, or the server shut down.",
      "remedy": "Analyse the frame again; an analysis that was ended leaves no trace."
    },
    "OVER_BUDGET": {
      "kind": "deadline",
      "meaning": "The analysis took longer than its budget of time allows.",
      "remedy": "Analyse fewer atoms or fewer denoising steps at a time, or raise the budget (--budget; budget in TypeScript and Python)."
    },
    "BAD_OPTION": {
      "kind": "input",
      "meaning": "An option has a value that it cannot take, or two options exclude each other.",
      "remedy": "See `phasewire help` or the documentation of the function."
    },
    "FILE_ACCESS": {
      "kind": "input",
      "meaning": "A file could not be opened, read or written.",
      "remedy": "Check the path, the permissions and the free space."
    },
    "FILE_IN_USE": {
      "kind": "input",
      "meaning": "Another run writes the file, or uses the folder.",
      "remedy": "Wait until that run ends, or end it; or give this run another file or folder."
    },
    "INTERNAL": {
      "kind": "internal",
      "meaning": "The software broke one of its own rules.",
      "remedy": "Please report this with the input that shows it."
    }
  },
  "reasons": {
    "folderOfOthers": {
      "code": "ACCESS_DENIED",
      "field": "endpoint",
      "message": "{folder}, where sockets and tokens are kept, is not a folder that only this user can enter",
      "remedy": "Remove it, or set XDG_RUNTIME_DIR to a folder of your own with mode 700."
    },
    "socketOfOthers": {
      "code": "ACCESS_DENIED",
      "field": "endpoint",
      "message": "the socket of {endpoint} belongs to another user",
      "remedy": "Start your own server, and connect to the address that it prints."
    },
    "noToken": {
      "code": "ACCESS_DENIED",
      "field": "endpoint",
      "message": "a program listens at {endpoint}, but no server of this user has left a token for it",
      "remedy": "Use the default address. For a server of another user or machine, set PHASEWIRE_TOKEN to its token, or to `open` if you trust all users of this machine."
    },
    "unprovenServer": {
      "code": "ACCESS_DENIED",
      "field": "endpoint",
      "message": "the program at {endpoint} does not know the token of this user's server",
      "remedy": "Another program has taken the port: start your server on another one, or use the default address."
    },
    "unprovenClient": {
      "code": "ACCESS_DENIED",
      "field": "proof",
      "message": "the client does not know the token of this server",
      "remedy": "Connect as the user that runs the server, with the same runtime folder (XDG_RUNTIME_DIR), or set PHASEWIRE_TOKEN to the token of its file."
    },
    "openSecret": {
      "code": "ACCESS_DENIED",
      "field": "keys",
      "message": "{path} holds a secret key, but others may read it (mode {mode})",
      "remedy": "Run `chmod 600` on it. If others may have read it, make new keys with `phasewire serve --generate-keys DIR`."
    },
    "emptyFrame": {
      "code": "EMPTY_FRAME",
      "field": "positions",
      "message": "the frame holds no atoms"
    },
    "positionsShape": {
      "code": "SHAPE_MISMATCH",
      "field": "positions",
      "message": "positions has {found}; x, y, z of each atom are needed",
      "remedy": "Give one row of three numbers for each atom."
    },
    "positionNotFinite": {
      "code": "NON_FINITE_POSITIONS",
      "field": "positions",
      "message": "coordinate {axis} of atom {atom} is {number}"
    },
    "farPosition": {
      "code": "NON_FINITE_POSITIONS",
      "field": "positions",
      "message": "atom {atom} is more than {most} cells away along a periodic axis"
    },
    "tooManyAtoms": {
      "code": "TOO_LARGE",
      "field": "positions",
      "message": "the frame has {atoms} atoms; at most {most} are allowed",
      "remedy": "Analyse part of the system at a time."
    },
    "countOfAtoms": {
      "code": "SHAPE_MISMATCH",
      "field": "{array}",
      "message": "{array} has {found}; one for each of the {atoms} atoms is needed"
    },
    "periodicShape": {
      "code": "SHAPE_MISMATCH",
      "field": "periodic",
      "message": "periodic is {found}; one flag for each of the 3 axes is needed",
      "remedy": "Give true or false for each cell vector."
    },
    "cellShape": {
      "code": "SHAPE_MISMATCH",
      "field": "cell",
      "message": "the cell has {found}; 3 x 3 numbers are needed",
      "remedy": "Give the three cell vectors as rows."
    },
    "cellNotFinite": {
      "code": "NON_FINITE_CELL",
      "field": "cell",
      "message": "component {axis} of cell vector {vector} is {number}"
    },
    "missingCell": {
      "code": "MISSING_CELL",
      "field": "cell",
      "message": "the frame is periodic along {axes}, but has no cell"
    },
    "flatCell": {
      "code": "SINGULAR_CELL",
      "field": "cell",
      "message": "the cell spans no {extent} along {axes}, or almost none"
    },
    "unusableSpecies": {
      "code": "UNKNOWN_SPECIES",
      "field": "species",
      "message": "atom {atom} has the species {name}, so it cannot be distinguished from the others"
    },
    "noSuchSpecies": {
      "code": "EMPTY_SELECTION",
      "field": "select",
      "message": "no atom has the species {names}"
    },
    "speciesMap": {
      "code": "BAD_OPTION",
      "field": "speciesMap",
      "message": "the species map is {found}; names of species and the names that they get are needed",
      "remedy": "For example {\"Ni\": \"A\", \"Co\": \"A\"}, or --species Ni=A,Co=A, to make nickel and cobalt one species."
    },
    "speciesMapName": {
      "code": "BAD_OPTION",
      "field": "speciesMap",
      "message": "the species map gives {name} the name {found}, which does not name a species",
      "remedy": "Give each species a name of letters or digits, for example Ni=A,Co=A."
    },
    "speciesMapTwice": {
      "code": "BAD_OPTION",
      "field": "speciesMap",
      "message": "the species map names {name} twice",
      "remedy": "Name each species once. Several species can get the same name, and so become one."
    },
    "speciesMapUnknown": {
      "code": "BAD_OPTION",
      "field": "speciesMap",
      "message": "the species map names {name}, but no atom has this species"
    },
    "badLengthScale": {
      "code": "BAD_LENGTH_SCALE",
      "field": "lengthScale",
      "message": "the length scale is {number}; a positive number is needed"
    },
    "extremeLengthScale": {
      "code": "BAD_LENGTH_SCALE",
      "field": "lengthScale",
      "message": "the length scale is {number}; a number between {least} and {most} is needed"
    },
    "noLengthScale": {
      "code": "BAD_LENGTH_SCALE",
      "field": "lengthScale",
      "message": "no length scale can be estimated: a cluster, or a molecule with vacuum around it, needs at least {fewest} atoms, and a cell must not be extremely flat or skewed",
      "remedy": "Give the length scale: (volume per atom)^(1/3) of the phase of interest."
    },
    "noCellLengthScale": {
      "code": "BAD_LENGTH_SCALE",
      "field": "lengthScale",
      "message": "the length scale \"cell\" needs a frame that is periodic along all three axes",
      "remedy": "Give a number, such as the estimate of the first frame."
    },
    "tooDense": {
      "code": "BAD_LENGTH_SCALE",
      "field": "lengthScale",
      "message": "with a length scale of {scale}, atom {atom} has more than {most} neighbours within the cutoff; about 50 are usual",
      "remedy": "Give (volume per atom)^(1/3) of the phase of interest, in the length unit of the positions."
    },
    "aborted": {
      "code": "ABORTED",
      "field": "frame",
      "message": "the analysis was ended before it was done"
    },
    "overBudget": {
      "code": "OVER_BUDGET",
      "field": "budget",
      "message": "the analysis of {atoms} atoms was ended after {budget} s, its budget"
    },
    "budget": {
      "code": "BAD_OPTION",
      "field": "budget",
      "message": "budget is {found}; a number of seconds above 0 and at most {most} is needed",
      "remedy": "Omit it for an analysis that may take any time."
    },
    "threads": {
      "code": "BAD_OPTION",
      "field": "threads",
      "message": "threads is {found}; a whole number from 1 to {most} is needed",
      "remedy": "Omit it for one thread per core that the process may use."
    },
    "coincidentAtoms": {
      "code": "COINCIDENT_ATOMS",
      "field": "positions",
      "message": "atom {atom} and {other} are {distance} apart, less than {least} of the length scale {scale}"
    },
    "tooLargeForCore": {
      "code": "TOO_LARGE",
      "field": "positions",
      "message": "the frame does not fit into the 4 GiB that the core can address",
      "remedy": "Analyse part of the system at a time, or without denoising: `phasewire classify` labels frames of any size, in slabs."
    },
    "denoiseSteps": {
      "code": "BAD_OPTION",
      "field": "denoise",
      "message": "denoise is {found}; a whole number from {least} to {most} or \"converged\" is needed",
      "remedy": "Give the number of denoising steps; 8 suit most crystals near melting."
    },
    "skin": {
      "code": "BAD_OPTION",
      "field": "skin",
      "message": "skin is {found}; a number from 0 to {most} length scales is needed",
      "remedy": "Give about 0.1 for frames that hardly differ, 0 for unrelated frames."
    },
    "build": {
      "code": "BAD_OPTION",
      "field": "build",
      "message": "build is {found}; {choices} are possible",
      "remedy": "Omit it for the fastest build that this host accepts."
    },
    "unknownClass": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "the model has no class {name}"
    },
    "classTwice": {
      "code": "BAD_OPTION",
      "field": "classes",
      "message": "classes names {name} twice{also}",
      "remedy": "Name the allowed classes, each once, with a weight above 0 if the weights are not equal."
    },
    "classWeight": {
      "code": "BAD_OPTION",
      "field": "classes",
      "message": "the weight of {name} is {found}; a number of at least 0 is needed",
      "remedy": "Name the allowed classes, each once, with a weight above 0 if the weights are not equal."
    },
    "noCrystallineClass": {
      "code": "BAD_OPTION",
      "field": "classes",
      "message": "classes allows no crystalline class",
      "remedy": "Name the allowed classes, each once, with a weight above 0 if the weights are not equal."
    },
    "classList": {
      "code": "BAD_OPTION",
      "field": "classes",
      "message": "classes must be a list of class names, or a map from class names to weights",
      "remedy": "Name the allowed classes, each once, with a weight above 0 if the weights are not equal."
    },
    "prior": {
      "code": "BAD_OPTION",
      "field": "classes",
      "message": "each weight must be a number of at least 0, and one after the first must be above 0",
      "remedy": "Give each class a weight: 1 by default, 0 to leave it out."
    },
    "modelNotFinite": {
      "code": "MODEL_NON_FINITE",
      "field": "model",
      "message": "a weight of the model is not a finite number, a constant is out of its bounds, or class 0 is not flat"
    },
    "noRegionCell": {
      "code": "MISSING_CELL",
      "field": "{field}",
      "message": "{field} is measured in cell vectors, but the frame has no cell",
      "remedy": "Give the frame a cell; its axes need not be periodic."
    },
    "flatRegionCell": {
      "code": "SINGULAR_CELL",
      "field": "cell",
      "message": "the three cell vectors span no volume, so {field} cannot be measured in fractional coordinates",
      "remedy": "Give all three cell vectors, including those of axes that are not periodic."
    },
    "sharpRegion": {
      "code": "BAD_OPTION",
      "field": "{field}.width",
      "message": "{field}.width is 0; a region with a sharp edge has no forces",
      "remedy": "Give its edge a width, over which atoms enter smoothly."
    },
    "wideSlab": {
      "code": "BAD_OPTION",
      "field": "{field}.width",
      "message": "{field} extends {reach} to either side of its middle; along a periodic axis, a slab that extends more than 0.5 meets its own image",
      "remedy": "Narrow the slab or its width, or leave the region out to take all atoms."
    },
    "wideBall": {
      "code": "BAD_OPTION",
      "field": "{field}.radius",
      "message": "{field} extends {reach} from its centre; the cell is only {height} high, and a ball that extends more than half of that meets its own image",
      "remedy": "Make the ball smaller, or the cell larger."
    },
    "missingId": {
      "code": "EMPTY_SELECTION",
      "field": "{field}",
      "message": "{field} names {ids}, but no atom has this id",
      "remedy": "Give ids that atoms of the frame have; frames without ids number their atoms from 0."
    },
    "missingSpecies": {
      "code": "EMPTY_SELECTION",
      "field": "{field}",
      "message": "{field} names {species}, but no atom is of this species"
    },
    "nothingSelected": {
      "code": "EMPTY_SELECTION",
      "field": "{field}",
      "message": "{field} holds no atom: the weights add up to {total}",
      "remedy": "Widen the selection, or give `reduce: \"sum\"`, which is 0 if there are no atoms."
    },
    "badKey": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} is {found}; {expected} was expected",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "unknownKey": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} is not known here; the keys are {keys}",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "excludingKeys": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} and {other} exclude each other",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "emptyObject": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} is empty; one of {keys} was expected",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "descending": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} is {number}, below {other}, which is {bound}; a slab across the boundary of a periodic cell ends beyond 1, for example from 0.9 to 1.1",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "deepVariable": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} is nested {level} variables deep; at most {most} are allowed",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "manyVariables": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} has {count} variables, inner ones included; at most {most} are allowed",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "nameTwice": {
      "code": "BAD_OPTION",
      "field": "{field}",
      "message": "{field} is {name}, the name of an earlier variable",
      "remedy": "docs/variables.md lists the kinds of variables and their keys."
    },
    "unknownModel": {
      "code": "MODEL_NOT_FOUND",
      "field": "model",
      "message": "no model has the name {name}; there are {names}"
    },
    "modelFile": {
      "code": "MODEL_FORMAT",
      "field": "model",
      "message": "{source}: {problem}"
    },
    "badEndpoint": {
      "code": "BAD_OPTION",
      "field": "endpoint",
      "message": "the endpoint {endpoint} {problem}",
      "remedy": "Give tcp://127.0.0.1:PORT, or ipc://PATH with a short path in your own directory."
    },
    "exposedEndpoint": {
      "code": "ENDPOINT_INSECURE",
      "field": "endpoint",
      "message": "{endpoint} can be reached from other machines, and no CURVE keys were given"
    },
    "notAModel": {
      "code": "MODEL_VERSION",
      "field": "phasewire",
      "message": "{source} is a safetensors file, but not a phase model: its metadata has no entry phasewire"
    },
    "modelVersion": {
      "code": "MODEL_VERSION",
      "field": "version",
      "message": "{source} has format {format} and version {version}; {known} and {newest} are read"
    },
    "modelContents": {
      "code": "MODEL_HASH",
      "field": "sha256",
      "message": "{source}: its contents have the SHA-256 {found}, but its metadata states {stated}"
    },
    "modelHash": {
      "code": "MODEL_HASH",
      "field": "sha256",
      "message": "{source} has the SHA-256 {found}, but the manifest states {stated}"
    },
    "modelKey": {
      "code": "MODEL_FORMAT",
      "field": "{field}",
      "message": "{source}: {field} is {found}; {expected} is needed"
    },
    "modelSize": {
      "code": "MODEL_SHAPE",
      "field": "{field}",
      "message": "{source}: {field} is {found}; {expected} is needed"
    },
    "modelTensor": {
      "code": "MODEL_SHAPE",
      "field": "{field}",
      "message": "{source}: tensor {field} is {found}; {expected} is needed"
    },
    "modelNumber": {
      "code": "MODEL_NON_FINITE",
      "field": "{field}",
      "message": "{source}: {field} is {number}; a finite number is needed"
    },
    "modelClassZero": {
      "code": "MODEL_SHAPE",
      "field": "network2.weight1",
      "message": "{source}: row 0 of network2.weight1 is not zero, so the logit of class 0 would not be constant"
    },
    "modelItem": {
      "code": "MODEL_NON_FINITE",
      "field": "{field}",
      "message": "{source}: item {item} of {field} is {number}"
    }
  },
  "statuses": {
    "NON_FINITE_POSITIONS": "positionNotFinite",
    "FAR_POSITION": "farPosition",
    "NON_FINITE_CELL": "cellNotFinite",
    "SINGULAR_CELL": "flatCell",
    "BAD_LENGTH_SCALE": "extremeLengthScale",
    "NO_LENGTH_SCALE": "noLengthScale",
    "COINCIDENT_ATOMS": "coincidentAtoms",
    "TOO_DENSE": "tooDense",
    "ABORTED": "aborted",
    "MODEL_NON_FINITE": "modelNotFinite",
    "BAD_PRIOR": "prior"
  },
  "pythonFields": {
    "lengthScale": "length_scale",
    "speciesMap": "species_map"
  }
} as const;
