/**
 * Tests that `npm run test:quick` leaves out: test files, or single Python tests as `FILE::NAME`, each with
 * its seconds on one core and the reason. All other tests run. `npm test` reports slow files that are not
 * listed here.
 *
 * @type {readonly {what: string, seconds: number, why: string}[]}
 */
export const slow = [];
