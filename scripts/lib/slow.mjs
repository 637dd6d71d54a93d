/**
 * What `npm run test:quick` leaves out: test files, or single tests of Python as `FILE::NAME`, each with the seconds of
 * one core that it takes and the reason. Everything else runs. `npm test` says when a file that isn't here is slow.
 *
 * @type {readonly {what: string, seconds: number, why: string}[]}
 */
export const slow = [];
