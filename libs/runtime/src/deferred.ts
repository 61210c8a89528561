export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** A promise with its handles: Promise.withResolvers, which Node 20 doesn't have yet. */
export const deferred = <T>(): Deferred<T> => {
  let handles: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    handles = { resolve, reject };
  });
  if (handles === undefined) throw new Error('the executor of a promise runs at once');
  return { promise, ...handles };
};

/** What `work` gives, or what `late` gives when that takes longer. The work itself goes on. */
export const within = async <T, L>(work: Promise<T>, milliseconds: number, late: () => L): Promise<T | L> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<L>((resolve) => {
    timer = setTimeout(() => {
      resolve(late());
    }, milliseconds);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
};
