import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { STAGING } from './suite/certificate.js';

/** One cluster, one state: the dry runs need it empty. */
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files].sort((a, b) => a.moduleId.localeCompare(b.moduleId));
  }
}

// The certificate that clients of the overlay `staging` see: workers, which are processes, trust it.
process.env['NODE_EXTRA_CA_CERTS'] = path.join(STAGING, 'chat.crt');

const conditions = ['source', 'module', 'node', 'development|production'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['source', 'node'] } },
  test: {
    include: ['tests/cluster/suite/*.test.ts'],
    globalSetup: 'tests/cluster/suite/certificate.ts',
    pool: 'forks',
    fileParallelism: false,
    sequence: { sequencer: ByName },
    testTimeout: 240_000,
    hookTimeout: 600_000,
  },
});
