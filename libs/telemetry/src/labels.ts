// Labels, and how their number is kept small.

/** The values a label may have: these; or, where a release or a configuration adds some (methods, peers), so many at most. */
export type LabelDeclaration = readonly string[] | { readonly atMost: number };
export type LabelDeclarations = Readonly<Record<string, LabelDeclaration>>;

/** What has to be said to name one child of a metric. A value that isn't listed doesn't compile. */
export type Labels<D extends LabelDeclarations> = {
  readonly [L in keyof D]: D[L] extends readonly (infer V extends string)[] ? V : string;
};

/** Stands for every value that isn't listed, or is one too many: a metric can't grow past what its declaration says. */
export const OTHER = 'other';

/** Finds the children of a metric, made when they are first asked for. */
export class Children<D extends LabelDeclarations, C> {
  readonly #labels: D;
  readonly #make: (labels: Readonly<Record<string, string>>) => C;
  readonly #children = new Map<string, C>();
  readonly #seen = new Map<string, Set<string>>();

  constructor(labels: D, make: (labels: Readonly<Record<string, string>>) => C) {
    this.#labels = labels;
    this.#make = make;
  }

  get(labels: Labels<D>): C {
    const given: Readonly<Record<string, string>> = labels;
    let key = '';
    for (const name in this.#labels) key += `${given[name] ?? ''}\n`;
    return this.#children.get(key) ?? this.#add(key, given);
  }

  #add(key: string, given: Readonly<Record<string, string>>): C {
    const bounded = Object.entries(this.#labels).map(([name, declared]) => {
      return [name, this.#bounded(name, { declared, value: given[name] ?? '' })] as const;
    });
    const boundedKey = bounded.map(([, value]) => `${value}\n`).join('');
    const child = this.#children.get(boundedKey) ?? this.#make(Object.fromEntries(bounded));
    this.#children.set(boundedKey, child);
    // What was cut off is not remembered under its own name: that map would grow instead of the metric.
    if (boundedKey === key) this.#children.set(key, child);
    return child;
  }

  #bounded(name: string, { declared, value }: { readonly declared: LabelDeclaration; readonly value: string }): string {
    if (!('atMost' in declared)) return declared.includes(value) ? value : OTHER;
    const seen = this.#seen.get(name) ?? new Set<string>();
    this.#seen.set(name, seen);
    if (seen.size < declared.atMost) seen.add(value);
    return seen.has(value) ? value : OTHER;
  }
}
