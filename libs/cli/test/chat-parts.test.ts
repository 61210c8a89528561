import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { parseChatInput } from '../src/chat-input.js';
import { ChatScreen } from '../src/chat-screen.js';
import { Ticks } from '../src/ticks.js';
import { TypingStatus } from '../src/typing-status.js';

describe('what is typed', () => {
  it.each([
    ['hello /who', { do: 'send', outgoing: { text: 'hello /who' } }],
    ['//who', { do: 'send', outgoing: { text: '/who' } }],
    ['  ', { do: 'nothing' }],
    ['/reply 12 yes, do', { do: 'send', outgoing: { text: 'yes, do', targetSeq: 12 } }],
    ['/react #12 👍', { do: 'send', outgoing: { reaction: { emoji: '👍' }, targetSeq: 12 } }],
    ['/react 12', { do: 'send', outgoing: { reaction: { emoji: '' }, targetSeq: 12 } }],
    ['/edit 12 new', { do: 'send', outgoing: { edit: { text: 'new' }, targetSeq: 12 } }],
    ['/delete 12', { do: 'send', outgoing: { delete: {}, targetSeq: 12 } }],
    ['/history', { do: 'history', count: 20 }],
    ['/history 5', { do: 'history', count: 5 }],
    ['/who', { do: 'who' }],
    ['/quit', { do: 'quit' }],
  ])('%j', (line, input) => {
    expect(parseChatInput(line)).toEqual(input);
  });

  it.each(['/history many', '/reply', '/reply x y', '/reply 12', '/edit 12', '/delete soon', '/nonsense', '/'])(
    '%j is explained, not sent',
    (line) => {
      expect(parseChatInput(line).do).toBe('explain');
    },
  );
});

describe('Ticks', () => {
  const mark = (userId: string, deliveredSeq: number, readSeq = 0) => ({ userId, deliveredSeq, readSeq });

  it('tells of an own message once when it is there, and once when it is read', () => {
    const ticks = new Ticks(1);
    expect(ticks.marked(mark('bob', 3, 3))).toBeUndefined();
    expect(ticks.sent(5)).toBeUndefined();
    expect(ticks.marked(mark('bob', 5))).toEqual({ kind: 'delivered', seq: 5 });
    expect(ticks.marked(mark('bob', 6))).toBeUndefined();
    expect(ticks.marked(mark('bob', 6, 6))).toEqual({ kind: 'read', seq: 5 });
    expect(ticks.marked(mark('bob', 6, 6))).toBeUndefined();
  });

  it('knows when the mark was faster than the ack', () => {
    const ticks = new Ticks(1);
    ticks.marked(mark('bob', 5, 5));
    expect(ticks.sent(5)).toEqual({ kind: 'read', seq: 5 });
  });

  it('in a group waits for all', () => {
    const ticks = new Ticks(2);
    ticks.sent(5);
    expect(ticks.marked(mark('bob', 5, 5))).toBeUndefined();
    expect(ticks.marked(mark('carol', 5))).toEqual({ kind: 'delivered', seq: 5 });
    expect(ticks.marked(mark('carol', 5, 5))).toEqual({ kind: 'read', seq: 5 });
  });

  it('marks only move forward', () => {
    const ticks = new Ticks(1);
    ticks.marked(mark('bob', 9, 9));
    ticks.marked(mark('bob', 2, 1));
    expect(ticks.sent(8)).toEqual({ kind: 'read', seq: 8 });
  });
});

describe('TypingStatus', () => {
  it('shows who types, for 6 s or until they stop', () => {
    vi.useFakeTimers();
    const shown: string[] = [];
    const status = new TypingStatus((text) => shown.push(text));
    status.typing('bob');
    status.typing('carol');
    status.stopped('bob');
    status.stopped('bob');
    vi.advanceTimersByTime(6_000);
    status.wrote('bob');
    status.typing('bob');
    expect(shown).toEqual(['bob is typing…', 'bob, carol are typing…', 'carol is typing…', '']);
    vi.useRealTimers();
  });
});

describe('ChatScreen', () => {
  it('gives every line of a pipe, also those that came before it was asked, and prints plainly', async () => {
    const input = new PassThrough();
    const output = new PassThrough({ encoding: 'utf8' });
    const screen = new ChatScreen({ input, output, interactive: false, onKey: () => undefined });
    input.write('one\ntwo\n');
    await new Promise((resolve) => setImmediate(resolve));
    screen.print('before');
    input.end('three');
    const lines: string[] = [];
    for await (const line of screen.lines()) {
      lines.push(line);
      screen.status = 'bob is typing…';
      screen.print(`got ${line}`);
    }
    expect(lines).toEqual(['one', 'two', 'three']);
    expect(output.read()).toBe('before\ngot one\ngot two\ngot three\n');
  });

  it('keeps what is being typed below what arrives', async () => {
    const input = new PassThrough();
    const output = Object.assign(new PassThrough({ encoding: 'utf8' }), { columns: 40 });
    const screen = new ChatScreen({ input, output, interactive: true, onKey: () => undefined });
    const lines = screen.lines();
    const first = lines.next();
    input.write('hal');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(screen.draft).toBe('hal');
    output.read();
    screen.print('a message');
    const shown = String(output.read());
    expect(shown.indexOf('a message\n')).toBeGreaterThan(-1);
    expect(shown.lastIndexOf('> hal')).toBeGreaterThan(shown.indexOf('a message\n'));
    input.write('lo\r');
    expect((await first).value).toBe('hallo');
    expect(screen.draft).toBe('');
    await lines.return(undefined);
  });
});
