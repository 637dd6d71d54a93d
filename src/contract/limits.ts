// Generated from contract/limits.json by `npm run contract`. Do not edit.
export const limits = {
  frame: {
    /**
     * Most atoms of a frame that is read from a file or given in Python, and most that a server may be told
     * to take. Unit: atoms.
     */
    mostAtoms: 100000000,
    /**
     * A cell is singular where the volume (area, length) that the vectors of its periodic axes span is at
     * most this share of the product of their lengths.
     */
    flatCell: 1e-9,
    /** Two atoms closer than this are refused. Unit: a0. */
    coincident: 0.05,
    /** A length scale must be longer than this. Unit: length. */
    shortestLengthScale: 1e-100,
    /** A length scale must be shorter than this. Unit: length. */
    longestLengthScale: 1e+100,
    /** Fewest atoms of a cluster whose length scale can be estimated. Unit: atoms. */
    fewestOfCluster: 13,
  },
  denoising: {
    /** Most denoising steps that may be asked for. Unit: steps. */
    mostSteps: 10000,
    /** Denoising until converged ends when no atom would move by more than this. Unit: a0. */
    convergedTolerance: 0.01,
    /** Most steps of denoising until converged. Unit: steps. */
    convergedSteps: 64,
  },
  core: {
    /** Version of the names, shapes and order of calls of the core (docs/core-abi.md), not of the offsets. */
    abiVersion: 5,
    /** Room for pairs over those of the frame that asked for more, for the frames that follow. */
    pairHeadroom: 1.05,
    /** Most pairs of a frame: they are counted in 32-bit integers. Unit: pairs. */
    mostPairs: 2147483640,
    /** Longest skin of neighbour lists. Beyond this, lists cost more than searching again. Unit: a0. */
    mostSkin: 2,
    /** Most worker threads that may be asked for. Unit: threads. */
    mostThreads: 256,
    /** Most worker threads unless more are asked for. Unit: threads. */
    mostDefaultThreads: 16,
    /** Log-weight of a class that is left out: finite, and far below any difference of logits. */
    leftOut: -1000,
  },
  names: {
    /** Models of more classes are not listed in full in a message. Unit: classes. */
    mostClassesListed: 40,
    /** Most names that a message suggests for one that is not known. Unit: classes. */
    mostClassesSuggested: 5,
    /** Most species or ids that a message lists. Unit: species. */
    mostSpeciesListed: 8,
  },
  variables: {
    /** Most variables of a list, those inside others included. Unit: variables. */
    most: 64,
    /** Most levels of variables within variables, the outermost included. Unit: levels. */
    deepest: 4,
    /** Below this total weight a selection counts as empty. Unit: atoms. */
    leastWeight: 0.000001,
    /** Where a distance is smoothed at its ideal phase: h(u) = u^3 / (u^2 + corner). Unit: logits. */
    corner: 0.0625,
    /** By how much rounding may take a region beyond half of a period. */
    regionSlack: 1e-9,
  },
  server: {
    /** Niceness of a server, and of an analysis in the background of a simulation. */
    niceness: 10,
    /** Most atoms of a frame that a server takes unless told otherwise. Unit: atoms. */
    mostAtoms: 1000000,
    /** Frames in mode monitor that wait in a session, and that a client has under way. Unit: frames. */
    monitorQueue: 2,
    /** Frames in mode request and bias that may wait in a session. Unit: frames. */
    requestQueue: 8,
    /** Most observables of a frame. Unit: observables. */
    mostObservables: 32,
    /** Most sessions of a server. Unit: sessions. */
    mostSessions: 256,
    /** Most sessions in the answer to `status`. Unit: sessions. */
    sessionsListed: 64,
    /** Runs whose results a server keeps. Unit: runs. */
    seriesRuns: 16,
    /** Results that a server keeps of a run. Unit: results. */
    seriesRows: 10000,
    /** Most observables in a series. Unit: observables. */
    seriesColumns: 64,
  },
  message: {
    /** Longest header of a message. Unit: bytes. */
    mostHeaderBytes: 262144,
    /**
     * Most levels of maps and lists in a header: variables four deep with a selection take 15. Unit: levels.
     */
    deepest: 16,
    /** Most values of a header, keys included. Unit: values. */
    mostValues: 32768,
    /** Most arrays of a message. Unit: arrays. */
    mostArrays: 16,
    /** Most extents in the shape of an array. Unit: extents. */
    mostExtents: 8,
    /** Longest name in a header, in UTF-8. Unit: bytes. */
    longestName: 128,
  },
  transport: {
    /** Where a server listens and a client looks for it unless told otherwise. Unit: address. */
    endpoint: "tcp://127.0.0.1:5757",
    /** Names another default address. Unit: environment variable. */
    endpointVariable: "PHASEWIRE_ENDPOINT",
    /** ZeroMQ's high-water mark for what a client sends. Unit: messages. */
    clientSendMark: 4,
    /** ZeroMQ's high-water mark for what a client receives. Unit: messages. */
    clientReceiveMark: 64,
    /**
     * ZeroMQ's high-water mark for what a server sends to each client. ZeroMQ notices what a client has read
     * in steps of half the mark, so half of it must hold the answers of a full queue. Unit: messages.
     */
    serverSendMark: 32,
    /** ZeroMQ's high-water mark for what a server receives. Unit: messages. */
    serverReceiveMark: 16,
    /** Interval of ZMTP heartbeats. Unit: ms. */
    heartbeatMs: 2000,
    /** Timeout and time to live of ZMTP heartbeats. Unit: ms. */
    heartbeatTimeoutMs: 10000,
    /** First pause before a client connects or says hello again. Unit: ms. */
    reconnectMs: 100,
    /** Longest pause before a client connects or says hello again. Unit: ms. */
    longestReconnectMs: 5000,
    /**
     * How long a server that shuts down waits for its last messages to leave, and a client for the answer to
     * its goodbye. Unit: ms.
     */
    partingMs: 200,
  },
  shared: {
    /** Start of a shared file that holds no arrays. Unit: bytes. */
    headBytes: 64,
    /** Arrays of a result begin at multiples of this. Unit: bytes. */
    alignment: 64,
    /** What a shared file begins with, before its token. Unit: text. */
    mark: "phasewire-shared",
    /** How often a server closes the shared files of clients that have ended. Unit: ms. */
    orphanCheckMs: 30000,
    /** Age from which a client removes the shared file of a client that has ended. Unit: ms. */
    staleMs: 60000,
  },
} as const;
