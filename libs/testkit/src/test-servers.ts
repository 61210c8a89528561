import { inject } from 'vitest';

export interface TestServers {
  readonly mongoUrl: string;
  readonly natsUrl: string;
  /** `redis://host:port,host:port,host:port`, a cluster. */
  readonly redisUrl: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Undefined outside the project `int`. */
    godwitServers: TestServers | undefined;
  }
}

/** The servers of this test run. They are shared by all test files: give each file a `uniqueNamespace()`. */
export function testServers(): TestServers {
  const servers = inject('godwitServers');
  if (servers === undefined) throw new Error('No test servers here: name the file *.int.test.ts (project int).');
  return servers;
}
