import { Batcher } from './batcher.js';

export interface GathererOptions<Q, A> {
  readonly name: string;
  /** Asks for all of them in one go: the answers in their order. */
  readonly ask: (questions: readonly Q[]) => Promise<readonly A[]>;
  /** Questions of a call at most. */
  readonly maxQuestions: number;
  /** What a call takes at most, by `sizeOf`; a larger question goes alone. */
  readonly maxSize?: number;
  readonly sizeOf?: (question: Q) => number;
}

interface Asked<Q, A> {
  readonly question: Q;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
}

/** While one call is answered the next one gathers; a third would only make both smaller. */
const CALLS_AT_A_TIME = 2;
/** Above the number of syncs that may be open. */
const MAX_WAITING = 200_000;

/** Makes one call of what many ask at about the same time. Who asks alone waits for nobody. */
export class Gatherer<Q, A> {
  readonly #questions: Batcher<Asked<Q, A>>;

  constructor({ name, ask, maxQuestions, maxSize, sizeOf }: GathererOptions<Q, A>) {
    this.#questions = new Batcher<Asked<Q, A>>({
      name,
      maxItems: maxQuestions,
      ...(maxSize === undefined ? {} : { maxBytes: maxSize }),
      ...(sizeOf === undefined ? {} : { sizeOf: ({ question }) => sizeOf(question) }),
      maxQueued: MAX_WAITING,
      maxInFlight: CALLS_AT_A_TIME,
      flush: async (asked) => {
        const answers = await ask(asked.map(({ question }) => question));
        for (const [index, answer] of answers.entries()) asked[index]?.resolve(answer);
        for (const { reject } of asked.slice(answers.length)) {
          reject(new Error(`${name}: fewer answers than questions`));
        }
      },
      onError: (error, asked) => {
        for (const { reject } of asked) reject(error);
      },
    });
  }

  ask(question: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      this.#questions.add({ question, resolve, reject });
    });
  }
}
