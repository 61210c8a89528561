import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = path.resolve(fileURLToPath(import.meta.url), '../../../..');
const GENERATOR = path.join(ROOT, 'k8s/components/network-policies/generate.mjs');

describe('the network policies', () => {
  it('are what the table of docs/architecture.md says', () => {
    execFileSync(process.execPath, [GENERATOR, '--check'], { stdio: 'pipe' });
  });

  it('let edges reach no store', () => {
    const arrows = JSON.parse(execFileSync(process.execPath, [GENERATOR, '--arrows'], { encoding: 'utf8' })) as {
      from: string;
      to: string;
    }[];
    expect(arrows.length).toBeGreaterThan(20);
    expect(arrows.filter(({ from, to }) => from === 'edge' && /^[A-Z]/.test(to))).toEqual([]);
  });
});
