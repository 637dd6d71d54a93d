// The tables of every section, from its measurements.
import { grouped, percent, short, spreadText } from "./format.mjs";

/** Machine, model and date of a record, in one line. */
function provenance({ machine, model, date }) {
  return (
    `${machine.cpu}, ${machine.cores} cores, load average ${machine.loadAverage} at the start, Node ${machine.node}; ` +
    `model \`${model.name}\`; ${date}.`
  );
}

function peers(record) {
  const { atoms, temperature, rounds, microsecondsAnAtom, overAdaptiveCna, overPtm } = record;
  return [
    {
      caption: `${grouped(atoms)} atoms of copper (EAM) at ${temperature} K, ${rounds} frames, one thread. ${provenance(record)}`,
      header: ["method", "CPU, us per atom", "wall, us per atom", "CPU over adaptive CNA", "CPU over PTM"],
      rows: Object.entries(microsecondsAnAtom).map(([name, { cpu, wall }]) => [
        name,
        spreadText(cpu),
        spreadText(wall),
        spreadText(overAdaptiveCna[name]),
        spreadText(overPtm[name]),
      ]),
    },
  ];
}

function threads(record) {
  const { atoms, build, rounds, counts, microsecondsAnAtom, speedup, cpuOverOneThread } = record;
  return [
    {
      caption: `${grouped(atoms)} atoms, build ${build}, ${rounds} rounds. ${provenance(record)}`,
      header: [
        "task",
        "threads",
        "wall, us per atom",
        "times faster than one thread",
        "CPU time over one thread's",
      ],
      rows: Object.keys(speedup).flatMap((task) =>
        counts.map((count) => [
          task,
          String(count),
          spreadText(microsecondsAnAtom[task][count]),
          spreadText(speedup[task][count]),
          spreadText(cpuOverOneThread[task][count]),
        ]),
      ),
    },
  ];
}

function scale(record) {
  const { sizes, build, exponent, memory, mostAtoms, smallFrames, largest } = record;
  const tables = [
    {
      caption:
        `CPU time on one thread, build ${build}; it grows as N to the power ${exponent.forward.toFixed(3)} (forward) and ` +
        `${exponent.gradient.toFixed(3)} (with gradient). ${provenance(record)}`,
      header: ["atoms", "forward, us per atom", "with gradient, us per atom"],
      rows: sizes.map(({ atoms, forward, gradient }) => [
        grouped(atoms),
        spreadText(forward),
        spreadText(gradient),
      ]),
    },
    {
      caption: `The core's memory, bytes per atom; ${record.model.classes} classes, a crystal's neighbours.`,
      header: ["atoms", ...Object.keys(mostAtoms)],
      rows: [
        ...memory.map(({ atoms, bytesAnAtom }) => [
          grouped(atoms),
          ...Object.values(bytesAnAtom).map(grouped),
        ]),
        ["most atoms in 4 GiB", ...Object.values(mostAtoms).map(grouped)],
      ],
    },
  ];
  if (smallFrames) {
    const { atoms, frames, microsecondsAnAtom } = smallFrames;
    tables.push({
      caption: `${frames} frames of ${atoms} atoms through the library, and one frame with the same total number of atoms.`,
      header: ["frames", "CPU, us per atom"],
      rows: Object.entries(microsecondsAnAtom).map(([name, times]) => [name, spreadText(times)]),
    });
  }
  if (largest) {
    const { atoms, slabs, fcc, seconds, microsecondsAnAtom, largestResidentGiB } = largest;
    tables.push({
      caption: "One frame beyond the core's memory, labelled in slabs on one thread.",
      header: [
        "atoms",
        "slabs",
        "called fcc",
        "CPU, s",
        "CPU, us per atom",
        "wall, s",
        "most memory of the process, GiB",
      ],
      rows: [
        [
          grouped(atoms),
          String(slabs),
          percent(fcc, 2),
          seconds.cpu.toFixed(0),
          microsecondsAnAtom.toFixed(2),
          seconds.wall.toFixed(0),
          largestResidentGiB.toFixed(1),
        ],
      ],
    });
  }
  return tables;
}

function bridge(record) {
  const { sizes, milliseconds, sharedMemory } = record;
  return [
    {
      caption:
        `Round trip of a frame and its labels, ms (shared memory ${sharedMemory ? "in use" : "not available"}); ` +
        `the echoes move the same number of bytes. ${provenance(record)}`,
      header: [
        "atoms",
        "analysis",
        "transport, shared memory",
        "transport, messages",
        "ZeroMQ echo",
        "Unix socket echo",
      ],
      rows: sizes.map((atoms) => {
        const { shared, messages, zeroMqEcho, unixSocketEcho } = milliseconds[atoms];
        return [
          grouped(atoms),
          ...[shared.analysis, shared.transport, messages.transport, zeroMqEcho, unixSocketEcho].map((part) =>
            spreadText(part),
          ),
        ];
      }),
    },
  ];
}

/** Fraction of the peak below which the table explains a stage. */
const enough = 0.4;

/** Reasons why stages can be below that fraction. */
const limitedBy = {
  neighbours: "comparisons and compaction; vectors of pairs in doubles, one at a time",
  radial: "gathered rows of the table; a root and a division per pair",
  harmonics: "a store for every two operations",
  invariants: "roots, divisions, matrices of a few rows",
  network1: "exponentials and divisions of SiLU",
  messages: "a gathered load for every two operations",
  network2: "exponentials and divisions of SiLU, copies of the input",
  readout: "exponentials, a maximum along the classes, copies of the results",
  network2Adjoint: "copies of short rows",
  messagesAdjoint: "two gathered rows per pair, sums across lanes",
  invariantsAdjoint: "roots, divisions, matrices of a few rows",
  radialAdjoint: "gathered rows of the table, sums across lanes",
  harmonicsAdjoint: "a load for every two or three operations",
  gather: "gathered gradients of the pairs' other ends, sums in doubles",
};

function stages(record) {
  const { atoms, neighbours, candidates, build, stages: rows, peak } = record;
  return [
    {
      caption:
        `${grouped(atoms)} atoms with ${neighbours.toFixed(1)} neighbours out of ${candidates.toFixed(0)} candidates each, build ${build}; ` +
        `peak ${peak.gigaflops.toFixed(1)} GFLOP/s, reads ${peak.readGigabytes.toFixed(0)} GB/s. ${provenance(record)}`,
      header: [
        "stage",
        "flop",
        "functions",
        "bytes",
        "us",
        "GFLOP/s",
        "of peak",
        "of reads",
        "limited below 40 % by",
      ],
      rows: rows.map(({ name, cost, microseconds, gigaflops, fractionOfPeak, fractionOfReads }) =>
        cost === null
          ? [name, "-", "-", "-", short(microseconds.median), "-", "-", "-", "hardly any arithmetic"]
          : [
              name,
              grouped(cost.flops),
              grouped(cost.functions),
              grouped(cost.bytes),
              short(microseconds.median),
              short(gigaflops),
              percent(fractionOfPeak),
              percent(fractionOfReads),
              fractionOfPeak < enough ? (limitedBy[name] ?? "") : "",
            ],
      ),
    },
  ];
}

function overhead(record) {
  const { atoms, steps, every, ratios, frames, rounds, pinned } = record;
  const where = pinned
    ? `simulation pinned to core ${pinned.simulation}, server to core ${pinned.server} or the simulation's`
    : "nothing pinned";
  const more = (ratio) => {
    const signed = (value) => `${value >= 1 ? "+" : ""}${(100 * (value - 1)).toFixed(1)}`;
    return `${signed(ratio.median)} % (${signed(ratio.least)} to ${signed(ratio.largest)})`;
  };
  return [
    {
      caption: `${grouped(atoms)} atoms of copper (EAM), ${steps} steps per run, one frame every ${every} steps, ${rounds.length} rounds; ${where}. ${provenance(record)}`,
      header: ["set-up", "wall time", "CPU time on the simulation's core", "frames analysed", "dropped"],
      rows: Object.entries(ratios).map(([way, { wall, cpu }]) => [
        way,
        more(wall),
        more(cpu),
        String(frames[way].analysed),
        String(frames[way].dropped),
      ]),
    },
  ];
}

function bias(record) {
  const { sizes, rounds, build, impulses, pinned } = record;
  const where = pinned
    ? `simulation pinned to core ${pinned.simulation}, server to ${pinned.server}`
    : "nothing pinned";
  const more = ({ median, least, largest }) => {
    const percents = [median, least, largest].map((value) => (100 * value).toFixed(0));
    return `${percents[0]} % (${percents[1]} to ${percents[2]})`;
  };
  return [
    {
      caption:
        `Copper (EAM) with a harmonic bias of \`fraction\` of fcc, ${rounds} rounds, build ${build} in process; impulses at every ${impulses}th ` +
        `step; ${where}. ${provenance(record)}`,
      header: ["atoms", "set-up", "step, CPU ms", "extra wall time", "extra CPU time, including the server"],
      rows: sizes.flatMap(({ atoms, millisecondsAStep, cost }) => [
        [grouped(atoms), "without bias", spreadText(millisecondsAStep.plain.cpu), "", ""],
        ...Object.entries(cost).map(([way, { wall, cpu }]) => [
          grouped(atoms),
          way,
          spreadText(millisecondsAStep[way].cpu),
          more(wall),
          more(cpu),
        ]),
      ]),
    },
  ];
}

/** `record => [{caption, header, rows}]` of every section. */
export const tables = { peers, stages, threads, scale, bridge, overhead, bias };
