import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CommandName, Commands, Request, Response } from './generator/commands.js';

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A generator in a process of its own: at most 20,000 sockets each, for that many files a process may have open. */
export class GeneratorProcess implements Disposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor() {
    this.#child = fork(fileURLToPath(new URL('./generator/generator.js', import.meta.url)), {
      stdio: 'inherit',
      execArgv: ['--max-old-space-size=4096'],
    });
    this.#child.on('message', (response: Response) => {
      const waiting = this.#waiting.get(response.id);
      this.#waiting.delete(response.id);
      if ('failure' in response) waiting?.reject(new Error(`the generator failed: ${response.failure}`));
      else waiting?.resolve(response.answer);
    });
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the generator ended before its time'));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<N extends CommandName>(name: N, ask: Commands[N]['ask']): Promise<Commands[N]['answer']> {
    this.#lastId += 1;
    const request: Request = { id: this.#lastId, name, ask };
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, {
        resolve: (answer) => {
          resolve(answer as Commands[N]['answer']);
        },
        reject,
      });
      this.#child.send(request);
    });
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

/** Several of them. */
export class Generators implements Disposable {
  readonly all: readonly GeneratorProcess[];

  constructor(processes: number | readonly GeneratorProcess[]) {
    this.all =
      typeof processes === 'number' ? Array.from({ length: processes }, () => new GeneratorProcess()) : processes;
  }

  /** These and those, to be asked together. */
  with({ all }: Generators): Generators {
    return new Generators([...this.all, ...all]);
  }

  get pids(): number[] {
    return this.all.map(({ pid }) => pid);
  }

  at(index: number): GeneratorProcess {
    const generator = this.all[index];
    if (generator === undefined) throw new Error(`there is no generator ${String(index)}`);
    return generator;
  }

  /** Asks all at once. */
  each<N extends CommandName>(name: N, ask: (index: number) => Commands[N]['ask']): Promise<Commands[N]['answer'][]> {
    return Promise.all(this.all.map((generator, index) => generator.call(name, ask(index))));
  }

  [Symbol.dispose](): void {
    for (const generator of this.all) generator[Symbol.dispose]();
  }
}
