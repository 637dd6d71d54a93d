// Generated from contract/limits.json by `npm run contract`. Do not edit.
export const limits = {
  frame: {
    /**
     * Most atoms of a frame from a file or from Python, and the highest limit that a server can be given.
     * Unit: atoms.
     */
    mostAtoms: 100000000,
    /**
     * A cell is singular if the volume (area, length) that the vectors of its periodic axes span is at most
     * this share of the product of their lengths.
     */
    flatCell: 1e-9,
    /**
     * Most cells that an atom may be away from the origin along a periodic axis. Beyond this, doubles place
     * it in the cell with errors of over 1e-7 of its edge. Unit: cells.
     */
    mostPeriods: 1000000000,
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
    /** How often the log-odds of known surroundings are averaged over the neighbours; even. */
    averages: 2,
    /** Most denoising steps that may be requested. Unit: steps. */
    mostSteps: 10000,
    /** Denoising until converged ends when no atom would move by more than this. Unit: a0. */
    convergedTolerance: 0.01,
    /** Most steps of denoising until converged. Unit: steps. */
    convergedSteps: 64,
  },
  core: {
    /** Version of the names, shapes and order of calls of the core (docs/core-abi.md), not of the offsets. */
    abiVersion: 8,
    /**
     * Factor by which the room for pairs exceeds the need of the frame that made it grow, so that later
     * frames fit.
     */
    pairHeadroom: 1.05,
    /** Most pairs of a frame: they are counted in 32-bit integers. Unit: pairs. */
    mostPairs: 2147483640,
    /** Longest skin of neighbour lists. Beyond this, lists cost more than searching again. Unit: a0. */
    mostSkin: 2,
    /**
     * A host that computes on one thread hands the core at most so many atoms at a time. In between, a call
     * can be ended. Unit: atoms.
     */
    slice: 4096,
    /** Longest budget of an analysis. Unit: s. */
    mostBudget: 1000000,
    /** Most worker threads that may be requested. Unit: threads. */
    mostThreads: 256,
    /** Most worker threads by default. Unit: threads. */
    mostDefaultThreads: 16,
    /** Log-weight of a class that is left out: finite, and far below any difference of logits. */
    leftOut: -1000,
    /** Most species of a frame that are compared by their neighbours. Unit: species. */
    mostGrouped: 16,
    /** Most species that a class of a model may need. Unit: species. */
    mostClassSpecies: 8,
  },
  names: {
    /** A message lists the classes of a model in full only up to this number. Unit: classes. */
    mostClassesListed: 40,
    /** Most names that a message suggests for an unknown one. Unit: classes. */
    mostClassesSuggested: 5,
    /** Most species or ids that a message lists. Unit: species. */
    mostSpeciesListed: 8,
  },
  variables: {
    /** Most variables in a list, inner ones included. Unit: variables. */
    most: 64,
    /** Most levels of variables within variables, the outermost included. Unit: levels. */
    deepest: 4,
    /** Below this total weight a selection counts as empty. Unit: atoms. */
    leastWeight: 0.000001,
    /**
     * Scale on which a distance is smoothed near its ideal phase: h(u) = u^3 / (u^2 + corner). Unit: logits.
     */
    corner: 0.0625,
    /** Amount by which a region may exceed half of a period, to allow for rounding. */
    regionSlack: 1e-9,
  },
  server: {
    /** Niceness of a server, and of an analysis in the background of a simulation. */
    niceness: 10,
    /** Most atoms of a frame that a server takes by default. Unit: atoms. */
    mostAtoms: 1000000,
    /**
     * Time that an analysis may take on a server, and in a monitor that computes in its own process, by
     * default. Unit: s.
     */
    budget: 120,
    /**
     * Frames in mode monitor that may wait in a session, and unanswered ones that a client may have. Unit:
     * frames.
     */
    monitorQueue: 2,
    /** Frames in mode request and bias that may wait in a session. Unit: frames. */
    requestQueue: 8,
    /** Most observables of a frame. Unit: observables. */
    mostObservables: 32,
    /** Most sessions of a server. Unit: sessions. */
    mostSessions: 256,
    /** Most sessions of one peer. Unit: sessions. */
    mostSessionsOfPeer: 128,
    /**
     * How often a server closes the shared files of clients that have ended, and asks silent clients with
     * keys whether they are there. Unit: ms.
     */
    silentMs: 30000,
    /** Share of the usable memory that frames may hold in a server while they arrive or wait. */
    heldShare: 0.25,
    /** Share of that memory that the frames of one peer may hold. */
    heldShareOfPeer: 0.5,
    /** Most sessions in the answer to `status`. Unit: sessions. */
    sessionsListed: 64,
    /** Runs whose results a server keeps. Unit: runs. */
    seriesRuns: 16,
    /** Results per run that a server keeps. Unit: results. */
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
    /** Variable that names another default address. Unit: environment variable. */
    endpointVariable: "PHASEWIRE_ENDPOINT",
    /** ZeroMQ's high-water mark for what a client sends. Unit: messages. */
    clientSendMark: 4,
    /** Messages that a server may send to a client at once without being asked. Unit: messages. */
    mostUnasked: 64,
    /** Messages that a server may keep sending to a client without being asked. Unit: messages per second. */
    unaskedPerSecond: 8,
    /** Silence after which a client in mode monitor sends a ping. Unit: ms. */
    pingMs: 5000,
    /**
     * ZeroMQ's high-water mark for what a server sends to each client. Half of it must hold the answers of a
     * full queue: with keys, ZeroMQ notices what a client has read in steps of half the mark. Unit: messages.
     */
    serverSendMark: 32,
    /**
     * Most connections of a server without keys. A further one ends the oldest of those without a session.
     * Unit: connections.
     */
    mostConnections: 1024,
    /** Time within which a connection must finish ZeroMQ's handshake. Unit: ms. */
    handshakeMs: 10000,
    /**
     * Time that each part of a message may take to arrive, in addition to that at the slowest rate. Unit: ms.
     */
    messageMs: 30000,
    /** Slowest rate at which a part of a message may arrive. Unit: bytes/ms. */
    slowestBytesPerMs: 100,
    /**
     * Silence after which the server's system asks the other end of a TCP connection whether it is there.
     * Unit: ms.
     */
    keepAliveMs: 10000,
    /** How often a server looks for connections that are silent or slow. Unit: ms. */
    checkMs: 1000,
    /** Interval of ZMTP heartbeats. Unit: ms. */
    heartbeatMs: 2000,
    /** Timeout and time to live of ZMTP heartbeats. Unit: ms. */
    heartbeatTimeoutMs: 10000,
    /** First pause before a client connects or sends hello again. Unit: ms. */
    reconnectMs: 100,
    /** Longest pause before a client connects or sends hello again. Unit: ms. */
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
    /** Text at the start of a shared file; the token follows it. Unit: text. */
    mark: "phasewire-shared",
    /** Age from which a client removes the shared file of a client that has ended. Unit: ms. */
    staleMs: 60000,
  },
} as const;
