import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Step, StepState, TraceMessageResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/trace';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { traceText } from '../src/commands/trace.js';
import { findLocalStack } from '../src/local-stack.js';

const timeMs = Date.UTC(2026, 10, 1);
const lineOf = (step: Step, state: StepState): string => {
  const answer = TraceMessageResponse.fromPartial({ steps: [{ step, state, timeMs }] });
  return traceText(answer).split('\n').at(1)?.replaceAll(/ +/g, ' ').trim() ?? '';
};

describe('the time of a step', () => {
  it('of one that was done is when', () => {
    expect(lineOf(Step.STEP_EXPIRED, StepState.STEP_STATE_DONE)).toBe('expired done 2026-11-01T00:00:00.000Z');
  });

  it('of an expiry that is not yet is when it is due', () => {
    expect(lineOf(Step.STEP_EXPIRED, StepState.STEP_STATE_NOT_YET)).toBe(
      'expired not yet due 2026-11-01T00:00:00.000Z',
    );
  });

  it.each([
    [Step.STEP_FANNED_OUT, 'fanned out'],
    [Step.STEP_PUSHED, 'pushed'],
  ])('of another that is not yet is that of an attempt', (step, name) => {
    expect(lineOf(step, StepState.STEP_STATE_NOT_YET)).toBe(`${name} not yet 2026-11-01T00:00:00.000Z`);
  });
});

describe('the local stack', () => {
  const stack = { edges: ['ws://127.0.0.1:8080'], routers: ['127.0.0.1:7102'], apiKey: 'key' };
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-cli-'));
    for (const dir of ['.godwit', 'elsewhere', join('deep', 'down')]) mkdirSync(join(folder, dir), { recursive: true });
    writeFileSync(join(folder, '.godwit', 'client.json'), JSON.stringify(stack));
    writeFileSync(join(folder, 'elsewhere', 'client.json'), JSON.stringify({ ...stack, apiKey: 'other' }));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('is that of the folder or of one above', () => {
    expect(findLocalStack(join(folder, 'deep', 'down'), {})).toEqual(stack);
  });

  it('is that of GODWIT_STATE_DIR where it is set, and no other', () => {
    expect(findLocalStack(folder, { GODWIT_STATE_DIR: join(folder, 'elsewhere') })).toMatchObject({ apiKey: 'other' });
    expect(findLocalStack(folder, { GODWIT_STATE_DIR: join(folder, 'deep') })).toBeUndefined();
  });
});
