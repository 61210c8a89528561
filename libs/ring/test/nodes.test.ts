import { describe, expect, it } from 'vitest';
import { parseHostPort, parseNodes } from '../src/node-address.js';
import { NodeHealth, SET_ASIDE_MS } from '../src/node-health.js';
import { Nodes } from '../src/nodes.js';

const three = () => {
  let now = 0;
  const health = new NodeHealth(() => now);
  const nodes = new Nodes(parseNodes('store-0=10.0.0.1:1,store-1=10.0.0.2:1,store-2=10.0.0.3:1'), health);
  const pass = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { nodes, health, pass };
};

describe('node lists', () => {
  it('are read', () => {
    expect(parseNodes('a-0=localhost:80, b-1=[::1]:65535,')).toEqual([
      { name: 'a-0', host: 'localhost', port: 80 },
      { name: 'b-1', host: '::1', port: 65_535 },
    ]);
  });

  it.each(['', ' , ', 'a', 'a=b', 'a=b:', 'a=b:x', 'a=b:65536', 'A=b:1', 'a.b=c:1', '=b:1', 'a=b:1,a=c:2', 'a=:1'])(
    '%j is refused',
    (text) => {
      expect(() => parseNodes(text)).toThrow(RangeError);
    },
  );

  it('host:port alone is read and refused likewise', () => {
    expect(parseHostPort('127.0.0.1:0')).toEqual({ host: '127.0.0.1', port: 0 });
    expect(() => parseHostPort('127.0.0.1')).toThrow(RangeError);
  });
});

describe('set-aside', () => {
  it('takes two missed deadlines in a row', () => {
    const { health } = three();
    health.missedDeadline('store-0');
    health.answered('store-0');
    health.missedDeadline('store-0');
    expect(health.isHealthy('store-0')).toBe(true);
    health.missedDeadline('store-0');
    expect(health.isHealthy('store-0')).toBe(false);
  });

  it('lasts five seconds, and one more miss renews it', () => {
    const { health, pass } = three();
    health.setAside('store-0');
    pass(SET_ASIDE_MS - 1);
    expect(health.isHealthy('store-0')).toBe(false);
    pass(1);
    expect(health.isHealthy('store-0')).toBe(true);
    health.missedDeadline('store-0');
    expect(health.isHealthy('store-0')).toBe(false);
  });

  it('is told once', () => {
    const { health } = three();
    const told: string[] = [];
    const stop = health.onSetAside((name) => told.push(name));
    health.setAside('store-1');
    health.setAside('store-1');
    stop();
    health.setAside('store-2');
    expect(told).toEqual(['store-1']);
  });

  it('hands keys to the first healthy successor and back', () => {
    const { nodes, health, pass } = three();
    const [owner, second, third] = nodes.ring.successors('g:x') as [string, string, string];
    health.setAside(owner);
    expect(nodes.pick('g:x')).toBe(second);
    expect(nodes.candidates('g:x')).toEqual([second, third, owner]);
    health.setAside(second);
    expect(nodes.pick('g:x')).toBe(third);
    health.setAside(third);
    expect(nodes.pick('g:x')).toBe(owner);
    pass(SET_ASIDE_MS);
    expect(nodes.pick('g:x')).toBe(owner);
  });

  it('leaves the turns of the others as they are', () => {
    const { nodes, health } = three();
    health.setAside('store-1');
    const firsts = Array.from({ length: 6 }, () => nodes.rotation()[0]);
    expect(new Set(firsts)).toEqual(new Set(['store-0', 'store-2']));
    expect(nodes.rotation().at(-1)).toBe('store-1');
  });

  it('groups items by the node that serves them', () => {
    const { nodes } = three();
    const items = Array.from({ length: 100 }, (_, index) => `g:${String(index)}`);
    const groups = nodes.groupByNode(items, (item) => item);
    expect([...groups.values()].flat().sort()).toEqual([...items].sort());
    for (const [node, group] of groups) expect(group.every((item) => nodes.pick(item) === node)).toBe(true);
  });
});
