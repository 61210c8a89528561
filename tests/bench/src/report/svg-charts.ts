const WIDTH = 860;
const LABEL = 240;
const BAR = 14;
const GAP = 10;
const TITLE = 26;
const COLOURS = [
  '#4c78a8',
  '#f58518',
  '#54a24b',
  '#e45756',
  '#72b7b2',
  '#b279a2',
  '#9d755d',
  '#eeca3b',
  '#7f7f7f',
  '#ff9da6',
  '#2f6b5e',
  '#a0cbe8',
  '#8cd17d',
  '#d37295',
  '#86bcb6',
  '#bab0ac',
];

export interface Bars {
  readonly name: string;
  readonly values: Readonly<Record<string, number>>;
}

/** Groups of horizontal bars on a logarithmic scale, which latencies need. */
export function barChart(title: string, groups: readonly Bars[]): string {
  const largest = Math.max(1, ...groups.flatMap(({ values }) => Object.values(values)));
  const scale = (value: number): number => Math.log10(1 + value) / Math.log10(1 + largest);
  const parts: string[] = [];
  let y = TITLE;
  for (const { name, values } of groups) {
    parts.push(label(name, y + BAR - 3));
    Object.entries(values).forEach(([key, value], index) => {
      const width = Math.max(1, scale(value) * (WIDTH - LABEL - 150));
      parts.push(
        `<rect x="${String(LABEL)}" y="${String(y)}" width="${width.toFixed(1)}" height="${String(BAR)}" fill="${colour(index)}"/>`,
      );
      parts.push(
        `<text class="faint" x="${(LABEL + width + 6).toFixed(1)}" y="${String(y + BAR - 3)}">${key} ${value.toFixed(1)}</text>`,
      );
      y += BAR + 2;
    });
    y += GAP;
  }
  return svg(title, y, parts);
}

export interface Stack {
  readonly name: string;
  readonly parts: readonly { readonly name: string; readonly value: number }[];
}

/** What sums are made of. */
export function stackChart(title: string, stacks: readonly Stack[]): string {
  const largest = Math.max(1, ...stacks.map(({ parts }) => total(parts)));
  const names = [...new Set(stacks.flatMap(({ parts }) => parts.map(({ name }) => name)))];
  const drawn: string[] = [];
  let y = TITLE;
  for (const { name, parts } of stacks) {
    drawn.push(label(name, y + BAR + 1));
    let x = LABEL;
    for (const part of parts) {
      const width = (part.value / largest) * (WIDTH - LABEL - 90);
      const text = `${part.name}: ${part.value.toFixed(1)}`;
      drawn.push(
        `<rect x="${x.toFixed(1)}" y="${String(y)}" width="${width.toFixed(1)}" height="${String(BAR + 6)}" fill="${colour(names.indexOf(part.name))}"><title>${text}</title></rect>`,
      );
      x += width;
    }
    drawn.push(
      `<text class="faint" x="${(x + 6).toFixed(1)}" y="${String(y + BAR + 1)}">${total(parts).toFixed(0)}</text>`,
    );
    y += BAR + 6 + GAP;
  }
  return svg(title, y + legendHeight(names), [...drawn, ...legend(names, y)]);
}

function total(parts: Stack['parts']): number {
  return parts.reduce((sum, { value }) => sum + value, 0);
}

const LEGEND_COLUMNS = 5;

function legendHeight(names: readonly string[]): number {
  return Math.ceil(names.length / LEGEND_COLUMNS) * (BAR + 4) + GAP;
}

function legend(names: readonly string[], top: number): string[] {
  return names.flatMap((name, index) => {
    const x = LABEL + (index % LEGEND_COLUMNS) * 130;
    const y = top + Math.floor(index / LEGEND_COLUMNS) * (BAR + 4);
    return [
      `<rect x="${String(x)}" y="${String(y)}" width="10" height="10" fill="${colour(index)}"/>`,
      `<text class="faint" x="${String(x + 14)}" y="${String(y + 10)}">${name}</text>`,
    ];
  });
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? '#888';
}

function label(text: string, y: number): string {
  return `<text x="${String(LABEL - 10)}" y="${String(y)}" text-anchor="end">${text}</text>`;
}

function svg(title: string, height: number, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${String(WIDTH)} ${String(height)}" width="${String(WIDTH)}" height="${String(height)}" role="img" aria-label="${title}"><text x="0" y="14">${title}</text>${parts.join('')}</svg>`;
}
