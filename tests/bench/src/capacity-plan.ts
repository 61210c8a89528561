/** Of one service, or server. */
export interface Cost {
  readonly name: string;
  readonly us: number;
  /** Memory of one process of it. */
  readonly bytes: number;
}

/** What one of each thing costs, as the bench has measured it. */
export interface Costs {
  /** CPU of the services and of the servers for one private message, acked and delivered, µs. */
  readonly perMessage: readonly Cost[];
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
  /** CPU of the two secondaries for what costs the primary 1. */
  readonly secondaries: number;
  /** Sustained inserts that one shard's primary takes a second, beside what goes with them. */
  readonly messagesAShard: number;
  /** Part of the deliveries that find nobody connected and become a wake-up for push. */
  readonly wakesADelivery: number;
  /** Publishes with an ack that a JetStream stream takes a second. */
  readonly publishesAStream: number;
  /** A stream has three copies, on servers of its own. */
  readonly serversAStream: number;
  /** Session and presence of a connected device in Redis. */
  readonly redisBytesASocket: number;
  /** Renewals of both. */
  readonly redisWritesASocketSecond: number;
  readonly redisWritesAMaster: number;
  readonly redisBytesAMaster: number;
}

export const ASSUMPTIONS: Assumptions = {
  busy: 0.6,
  coresANode: 16,
  socketsAnEdge: 100_000,
  peak: 5,
  storedBytesAMessage: 1_200,
  keptSeconds: 7 * 86_400,
  secondaries: 1.2,
  messagesAShard: 10_000,
  wakesADelivery: 0.5,
  publishesAStream: 41_000,
  serversAStream: 3,
  redisBytesASocket: 500,
  redisWritesASocketSecond: 1 / 20,
  redisWritesAMaster: 100_000,
  redisBytesAMaster: 8 * 2 ** 30,
};

export interface Part {
  readonly name: string;
  /** Cores at the peak, already divided by how busy they may be. */
  readonly cores: number;
  readonly processes: number;
  readonly memoryBytes: number;
}

export interface Plan {
  readonly load: Load;
  readonly parts: readonly Part[];
  readonly cores: number;
  readonly nodes: number;
  readonly edgeMemoryBytes: number;
  /** Of all processes and sockets; MongoDB is given what it caches beyond that. */
  readonly memoryBytes: number;
  readonly natsServers: number;
  readonly redisMasters: number;
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
  const parts = costs.perMessage.map((cost) => partOf(cost, (peakSends * cost.us) / US, assumed));
  const further = Math.max(0, peakDeliveries - peakSends);
  const router = costs.perMessage.find(({ name }) => name === 'router')?.bytes ?? 0;
  const deliveries = { name: 'further deliveries', us: 0, bytes: router };
  parts.push(partOf(deliveries, (further * costs.perDeliveryUs) / US, assumed));
  parts.push(heartbeatsOf(load, costs, assumed));
  const cores = parts.reduce((sum, part) => sum + part.cores, 0);
  const edgeMemoryBytes = load.sockets * costs.perSocketBytes;
  const wakes = peakDeliveries * assumed.wakesADelivery;
  return {
    load,
    parts,
    cores,
    nodes: Math.ceil(cores / assumed.coresANode),
    edgeMemoryBytes,
    memoryBytes: edgeMemoryBytes + parts.reduce((sum, part) => sum + part.memoryBytes, 0),
    natsServers: Math.ceil(wakes / assumed.publishesAStream) * assumed.serversAStream,
    redisMasters: redisMasters(load.sockets, assumed),
    mongoShards: Math.ceil(peakSends / assumed.messagesAShard),
    storedBytes: load.sendsPerSecond * assumed.keptSeconds * assumed.storedBytesAMessage,
    networkBits: (peakSends * HOPS + peakDeliveries) * load.bytesAMessage * 8,
  };
}

/** A Node process has one core of its own. What was measured of MongoDB was a primary alone. */
function partOf({ name, bytes }: Cost, busyCores: number, { busy, secondaries }: Assumptions): Part {
  const cores = (busyCores / busy) * (name === 'mongo' ? 1 + secondaries : 1);
  const processes = Math.ceil(cores);
  return { name, cores, processes, memoryBytes: processes * bytes };
}

/** Edges are counted by their sockets, of which one event loop can have so many. */
function heartbeatsOf({ sockets }: Load, costs: Costs, assumed: Assumptions): Part {
  const edge = costs.perMessage.find(({ name }) => name === 'edge')?.bytes ?? 0;
  const busyCores = (sockets * costs.perSocketSecondUs) / US;
  const processes = Math.ceil(sockets / assumed.socketsAnEdge);
  const { cores } = partOf({ name: 'heartbeats', us: 0, bytes: 0 }, busyCores, assumed);
  return { name: 'heartbeats', cores, processes, memoryBytes: processes * edge };
}

/** By memory or by renewals, whichever needs more; each has a replica. */
function redisMasters(sockets: number, assumed: Assumptions): number {
  const byMemory = (sockets * assumed.redisBytesASocket) / assumed.redisBytesAMaster;
  const byWrites = (sockets * assumed.redisWritesASocketSecond) / assumed.redisWritesAMaster;
  return Math.max(3, Math.ceil(Math.max(byMemory, byWrites)));
}

/** Everything so many times as much. */
export function times(load: Load, factor: number): Load {
  return {
    name: `${String(factor)} x ${load.name}`,
    sendsPerSecond: load.sendsPerSecond * factor,
    deliveriesPerSecond: load.deliveriesPerSecond * factor,
    sockets: load.sockets * factor,
    bytesAMessage: load.bytesAMessage,
  };
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
