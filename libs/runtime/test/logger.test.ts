import { describe, expect, it } from 'vitest';
import { createLogger } from '../src/logger.js';

describe('the logger', () => {
  it('writes one JSON line with names, and nothing that must stay secret', () => {
    const lines: string[] = [];
    const logger = createLogger({
      service: 'edge',
      node: 'edge-0',
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    });
    logger.debug('not shown');
    logger.info({ token: 's3cret', user: { phone: 's3cret', call: { authorization: 's3cret', id: 'kept' } } }, 'hello');
    expect(lines.length).toBe(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', service: 'edge', node: 'edge-0', msg: 'hello' });
    expect(lines[0]).toContain('kept');
    expect(lines[0]).not.toContain('s3cret');
  });
});
