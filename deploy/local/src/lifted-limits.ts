const RATE = '1000000';

/** Environment of edges whose rate limits are out of the way: for load tests, and tests that look for something else. */
export const LIFTED_EDGE_LIMITS: Readonly<Record<string, string>> = {
  GODWIT_EDGE_MAX_UNACKED_SENDS: '10000',
  ...Object.fromEntries(
    ['FRAMES', 'SENDS', 'ADDRESS_SENDS', 'CALLS', 'ADDRESS_REQUESTS', 'ADDRESS_CONNECTS'].flatMap((what) => [
      [`GODWIT_EDGE_${what}_PER_SECOND`, RATE],
      [`GODWIT_EDGE_${what}_BURST`, RATE],
    ]),
  ),
};
