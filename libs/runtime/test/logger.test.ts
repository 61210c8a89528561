import { traceWith, type ActiveSpan } from '@godwit/tracing/spans';
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

  it('says in a line what belongs to it, and nothing of the lines before', () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const logger = createLogger({ service: 'edge', node: 'edge-0', level: 'info', destination });
    logger.info({ userId: 'alice', err: new Error('of alice') }, 'first');
    logger.info('second');
    expect(lines[1]).not.toMatch(/alice/);
  });

  it('names the span that a line is written in, and none where there is none', () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const logger = createLogger({ service: 'edge', node: 'edge-0', level: 'info', destination });
    let active: ActiveSpan | undefined = { traceId: '0af7', spanId: 'b7ad', traceparent: '' };
    traceWith({ start: () => undefined, within: ({ run }) => run(), active: () => active });
    logger.info('in a span');
    active = undefined;
    logger.info('in none');
    traceWith(undefined);
    logger.info('in none');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ trace_id: '0af7', span_id: 'b7ad', msg: 'in a span' });
    for (const line of lines.slice(1)) expect(line).not.toMatch(/trace_id|span_id/);
  });
});
