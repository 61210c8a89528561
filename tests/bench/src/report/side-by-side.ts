import { type Better, type Figure, type Outcome, type PeerFound, type PeerOutcome, type Row } from '../outcome.js';

/** Closer than this is no difference: two runs of the same are not closer. */
const EVEN = 0.05;

export interface Comparison {
  readonly what: string;
  readonly unit: string;
  readonly godwit: number;
  readonly peer: number;
  /** How many times as good as the peer Godwit is; below 1 the peer is ahead. None where one of both is 0. */
  readonly times: number | undefined;
  readonly ahead: 'Godwit' | 'peer' | 'even';
}

export function isFound(peer: PeerOutcome): peer is PeerFound {
  return !('missing' in peer);
}

/** Every figure that both have and of which it is known which way is better. */
export function compared(own: Pick<Outcome, 'figures'>, peer: Pick<PeerFound, 'figures'>): Comparison[] {
  return own.figures.flatMap((figure) => {
    const better = betterOf(figure);
    const theirs = peer.figures.find(({ what }) => what === figure.what);
    return better === undefined || theirs === undefined ? [] : [comparisonOf(figure, theirs.value, better)];
  });
}

/** What is known of the peer only. */
export function onlyOf(own: Pick<Outcome, 'figures'>, peer: Pick<PeerFound, 'figures'>): Figure[] {
  return peer.figures.filter(({ what }) => !own.figures.some((figure) => figure.what === what));
}

function betterOf({ better, goal }: Figure): Better | undefined {
  return goal?.better ?? better;
}

function comparisonOf({ what, unit, value }: Figure, peer: number, better: Better): Comparison {
  const both = value > 0 && peer > 0;
  const times = both ? (better === 'lower' ? peer / value : value / peer) : undefined;
  const difference = better === 'lower' ? peer - value : value - peer;
  const isEven = times === undefined ? difference === 0 : Math.abs(times - 1) <= EVEN;
  return { what, unit, godwit: value, peer, times, ahead: isEven ? 'even' : difference > 0 ? 'Godwit' : 'peer' };
}

/** In words, who is ahead in what. */
export function verdict(peer: string, comparisons: readonly Comparison[]): string {
  const named = (ahead: Comparison['ahead']): string => {
    const found = comparisons.filter((one) => one.ahead === ahead).map(({ what }) => what);
    return found.length === 0 ? 'nothing' : found.join('; ');
  };
  return `${peer} is ahead in: ${named('peer')}. Godwit is ahead in: ${named('Godwit')}. Even (within 5 %): ${named('even')}.`;
}

/** The measurements of all systems, for one table. */
export function allRows({ rows, peers = [] }: Outcome): Row[] {
  const theirs = peers
    .filter(isFound)
    .flatMap(({ peer, rows: found }) =>
      found.map(({ name, measurement }) => ({ name: `${shortName(peer)}: ${name}`, measurement })),
    );
  return theirs.length === 0 ? [...rows] : [...rows.map((row) => ({ ...row, name: `Godwit: ${row.name}` })), ...theirs];
}

function shortName(peer: string): string {
  return peer.split(' ', 1)[0] ?? peer;
}
