import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PROJECT_ROOT } from './project-root.js';

/** Tells the services what they are, as an image does: the version, and the commit that is checked out. */
export function buildEnvironment(): { readonly GODWIT_VERSION: string; readonly GODWIT_REVISION: string } {
  const { version } = JSON.parse(readFileSync(path.join(PROJECT_ROOT, 'package.json'), 'utf8')) as { version: string };
  // No clone, or no git: that is no reason not to start.
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: PROJECT_ROOT, encoding: 'utf8' });
  return { GODWIT_VERSION: version, GODWIT_REVISION: status === 0 ? stdout.trim() : 'unknown' };
}
