/** What one of each thing costs, as the bench has measured it. */
export interface Costs {
  /** CPU of the services and of the servers for one private message, acked and delivered, µs. */
  readonly perMessage: readonly { readonly name: string; readonly us: number }[];
  /** Of all processes for one delivery beyond the first, µs. */
  readonly perDeliveryUs: number;
  /** Memory of the edge for a connected device, bytes. */
  readonly perSocketBytes: number;
  /** CPU of the edge for a connected device and second, µs. */
  readonly perSocketSecondUs: number;
}

/** One reading of what people do. */
export interface Load {
  readonly name: string;
  readonly sendsPerSecond: number;
  readonly deliveriesPerSecond: number;
  readonly sockets: number;
  readonly bytesAMessage: number;
}

export interface Assumptions {
  /** Of a core's time, how much is to be used at the peak. */
  readonly busy: number;
  readonly coresANode: number;
  /** Sockets that one edge process is given: what its event loop and a restart's storm allow, not what memory does. */
  readonly socketsAnEdge: number;
  readonly peak: number;
  /** Bytes that a stored message takes with indexes and oplog, replicated three times. */
  readonly storedBytesAMessage: number;
  /** How long a payload and its tombstone stay, seconds. */
  readonly keptSeconds: number;
  /** Sustained inserts that one shard's primary takes a second, beside what goes with them. */
  readonly messagesAShard: number;
}

export const ASSUMPTIONS: Assumptions = {
  busy: 0.6,
  coresANode: 16,
  socketsAnEdge: 100_000,
  peak: 5,
  storedBytesAMessage: 1_200,
  keptSeconds: 7 * 86_400,
  messagesAShard: 10_000,
};

export interface Part {
  readonly name: string;
  /** Cores at the peak, already divided by how busy they may be. */
  readonly cores: number;
  readonly processes: number;
}

export interface Plan {
  readonly load: Load;
  readonly parts: readonly Part[];
  readonly cores: number;
  readonly nodes: number;
  readonly edgeMemoryBytes: number;
  readonly mongoShards: number;
  readonly storedBytes: number;
  /** Client side and between services, bits a second at the peak. */
  readonly networkBits: number;
}

const US = 1e6;
/** A message crosses edge, router, store, database and back, and goes out once for each delivery. */
const HOPS = 6;

export function planFor(load: Load, costs: Costs, assumed: Assumptions = ASSUMPTIONS): Plan {
  const peakSends = load.sendsPerSecond * assumed.peak;
  const peakDeliveries = load.deliveriesPerSecond * assumed.peak;
  const parts = costs.perMessage.map(({ name, us }) => partOf(name, (peakSends * us) / US, assumed));
  const further = Math.max(0, peakDeliveries - peakSends);
  parts.push(partOf('further deliveries', (further * costs.perDeliveryUs) / US, assumed));
  const heartbeats = partOf('heartbeats', (load.sockets * costs.perSocketSecondUs) / US, assumed);
  parts.push({ ...heartbeats, processes: Math.ceil(load.sockets / assumed.socketsAnEdge) });
  const cores = parts.reduce((sum, part) => sum + part.cores, 0);
  return {
    load,
    parts,
    cores,
    nodes: Math.ceil(cores / assumed.coresANode),
    edgeMemoryBytes: load.sockets * costs.perSocketBytes,
    mongoShards: Math.ceil(peakSends / assumed.messagesAShard),
    storedBytes: load.sendsPerSecond * assumed.keptSeconds * assumed.storedBytesAMessage,
    networkBits: (peakSends * HOPS + peakDeliveries) * load.bytesAMessage * 8,
  };
}

/** A Node process has one core of its own. */
function partOf(name: string, busyCores: number, { busy }: Assumptions): Part {
  const cores = busyCores / busy;
  return { name, cores, processes: Math.ceil(cores) };
}

/**
 * The sum one is shown in interviews: users online x time of a request / requests a server has open at a time. It counts
 * what is in flight and takes that for work.
 */
export function serversInFlight({
  online,
  requestMs,
  openAtATime,
}: {
  readonly online: number;
  readonly requestMs: number;
  readonly openAtATime: number;
}): number {
  return (online * (requestMs / 1_000)) / openAtATime;
}
