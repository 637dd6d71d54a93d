/**
 * A turn of phrase that a reader stumbles over. The table has those that a pattern finds without false
 * alarms.
 */
export interface Turn {
  /** Matches within one sentence, whose spaces are single and whose code spans read `CODE`. */
  readonly pattern: RegExp;
  readonly reason: string;
  /** What to write instead. */
  readonly plain: string;
  /** Sentences that the pattern finds. */
  readonly found: readonly string[];
  /** Sentences close to these that are fine. */
  readonly fine?: readonly string[];
}

const amounts = [
  "[nm\u00b5\u03bcu]s|(?:nano|micro|milli)?seconds?|minutes?",
  "[kMG]?B|[KMG]iB|bytes?|words?|numbers?|values?|arrays?|[GM]?flops?|operations?|instructions?",
  "m?eV|kJ/mol|once|twice|times|one",
].join("|");
const things =
  "atom|frame|step|variable|pair|neighbour|thread|class|edge|candidate|layer|call|message|run|row|line";

export const turns: readonly Turn[] = [
  {
    pattern: /^(?:Who|What)\b(?! (?:if|about)\b).*[^?]\.$/,
    reason: "a clause as subject",
    plain: "a noun first: `Users who`, `Values that`, or `If you`",
    found: ["Who knows the phases names them.", "What a frame needs.", "What failed is kept, twice."],
    fine: ["What is a frame?", "What it shows", "Whatever the order, the sum is the same."],
  },
  {
    pattern: /\bwho(?:so)?ever\b/i,
    reason: "a clause as subject",
    plain: "anyone who, a process that, the reader",
    found: ["Nothing is lost, whoever ends first."],
  },
  {
    pattern: /\bbe had\b/,
    reason: "archaic",
    plain: "available, exists",
    found: ["The build is not to be had."],
  },
  {
    pattern: /(?<!\b[Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|\w+er\b)/,
    reason: "inverted negation",
    plain: "is not a, is not",
    found: ["A left-handed cell is no error."],
    fine: ["There is no server.", "The list is no longer kept.", "It is no slower."],
  },
  { pattern: /\bdear\b/, reason: "archaic", plain: "expensive, costs more", found: ["Searching is dear."] },
  {
    pattern: /\bshall\b/,
    reason: "archaic",
    plain: "must, will; MUST in the protocol",
    found: ["The run shall end."],
  },
  {
    pattern: /\bof one's own\b/,
    reason: "stilted",
    plain: "your own, custom",
    found: ["Functions of one's own are not part of it."],
    fine: ["Add a class of your own."],
  },
  {
    pattern: /\bbeside\b/i,
    reason: "ambiguous",
    plain: "next to, alongside, besides, in addition to, compared with",
    found: ["A server beside the simulation.", "Classes beside CODE."],
    fine: ["Classes besides CODE."],
  },
  {
    pattern: /\bnobody\b/i,
    reason: "a person where software is meant",
    plain: "nothing, no process, not required; OPTIONAL in the protocol",
    found: ["Nobody has to answer."],
  },
  {
    pattern: /\bas (?:it|they|one|he) likes?\b/,
    reason: "a person where software is meant",
    plain: "up to the client, any",
    found: ["The client waits as it likes."],
  },
  {
    pattern: /\b(?:tells?|told) (?:how|what|which|whether|that|why|when|where)\b/,
    reason: "things do not tell",
    plain: "reports, shows, states, returns",
    found: ["The column tells how long it took."],
    fine: ["Names tell the two apart."],
  },
  {
    pattern: /\b(?:is|are|was|were) wanted\b/,
    reason: "unclear who wants",
    plain: "is needed, is requested",
    found: ["Whether gradients are wanted."],
  },
  {
    pattern: /\b(?:every|for) so many\b/i,
    reason: "vague",
    plain: "every N steps, for each",
    found: ["Every so many steps the frame is sent."],
  },
  {
    pattern: /(?<=[\s,(]|^)\.\.(?![.\w/\\])/,
    reason: "two points are no ellipsis",
    plain: "`...`, `and so on`, or the whole list",
    found: ["Phases such as fcc, hcp, ..", "Shape (a, b, ..)."],
    fine: ["Tails of 0..9 items.", "See ../README.md.", "Shape (a, b, ...)."],
  },
  {
    pattern: new RegExp(`\\b(?:${amounts}) an? (?:${things})\\b`),
    reason: "an amount for each of many things",
    plain: "per atom, per frame, per variable",
    found: ["Labels take 3 us an atom.", "A list of numbers, one a variable."],
    fine: ["Labels take 3 us per atom.", "The times at a step."],
  },
  {
    pattern: /\bof (?:the |an? )?\w+ of (?:the |an? )?\w+ of\b/,
    reason: "three `of` in a row",
    plain: "a compound noun, a possessive, or two sentences",
    found: ["The share of the atoms of a half of the cell."],
  },
  {
    pattern: /\b(?:where it is|if) left out\b/i,
    reason: "wordy",
    plain: "by default, optional",
    found: ["The default where it is left out."],
    fine: ["Classes that are left out."],
  },
];
