// Writes docs/api/*.md from the comments in proto/: a page for each package, with its services, messages and enums, and
// the list of pages in docs/api/README.md. `--check` only says whether what is there is fresh.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'docs/api');
const INDEX = 'README.md';
const MARKS = ['<!-- pages: written by docs/generate-api.mjs -->', '<!-- end of pages -->'];

// Numbers of the fields of FileDescriptorProto and its parts: comments are found by paths of them.
const FILE = { message: 4, enum: 5, service: 6 };
const MESSAGE = { field: 2, nested: 3, enum: 4 };
const ENUM = { value: 2 };
const SERVICE = { method: 2 };

function readFiles() {
  const buf = join(root, 'node_modules/.bin/buf');
  const json = execFileSync(buf, ['build', '-o', '-#format=json'], { cwd: root, maxBuffer: 64 << 20 });
  return JSON.parse(json.toString('utf8')).file.filter(({ package: name }) => name.startsWith('godwit.'));
}

function commentsOf(file) {
  const comments = new Map();
  for (const { path, leadingComments = '', trailingComments = '' } of file.sourceCodeInfo?.location ?? []) {
    const text = (leadingComments || trailingComments).replace(/^ /gm, '').trim();
    if (text !== '') comments.set(path.join('.'), text);
  }
  return (path) => comments.get(path.join('.')) ?? '';
}

/** Messages and enums of a file, nested ones by their dotted names, in the order of the file. */
function typesOf(file) {
  const comment = commentsOf(file);
  const messages = [];
  const enums = [];
  const addEnum = (type, path, prefix) => {
    const values = (type.value ?? []).map((value, i) => ({
      name: value.name,
      number: value.number ?? 0,
      comment: comment([...path, ENUM.value, i]),
    }));
    enums.push({ name: prefix + type.name, comment: comment(path), values });
  };
  const addMessage = (type, path, prefix) => {
    const name = prefix + type.name;
    const entries = new Map(
      (type.nestedType ?? []).filter(({ options }) => options?.mapEntry).map((entry) => [entry.name, entry.field]),
    );
    const fields = (type.field ?? []).map((field, i) => ({
      ...field,
      comment: comment([...path, MESSAGE.field, i]),
      oneof: field.proto3Optional || field.oneofIndex === undefined ? undefined : type.oneofDecl[field.oneofIndex].name,
      map: entries.get(field.typeName?.split('.').at(-1)),
    }));
    messages.push({ name, comment: comment(path), fields });
    (type.nestedType ?? []).forEach((nested, i) => {
      if (!nested.options?.mapEntry) addMessage(nested, [...path, MESSAGE.nested, i], `${name}.`);
    });
    (type.enumType ?? []).forEach((nested, i) => addEnum(nested, [...path, MESSAGE.enum, i], `${name}.`));
  };
  (file.messageType ?? []).forEach((type, i) => addMessage(type, [FILE.message, i], ''));
  (file.enumType ?? []).forEach((type, i) => addEnum(type, [FILE.enum, i], ''));
  const services = (file.service ?? []).map((service, i) => ({
    name: service.name,
    comment: comment([FILE.service, i]),
    methods: service.method.map((method, j) => ({
      ...method,
      comment: comment([FILE.service, i, SERVICE.method, j]),
    })),
  }));
  return { messages, enums, services };
}

const pageOf = (packageName) => `${packageName.replace(/^godwit\./, '').replaceAll('.', '-')}.md`;

/** One page a package: `packages` from its name to what its files define, in the order of the files. */
function packagesOf(files) {
  const packages = new Map();
  for (const file of files) {
    const page = packages.get(file.package) ?? { sources: [], messages: [], enums: [], services: [] };
    const { messages, enums, services } = typesOf(file);
    page.sources.push(file.name);
    page.messages.push(...messages);
    page.enums.push(...enums);
    page.services.push(...services);
    packages.set(file.package, page);
  }
  return packages;
}

/** Where each type is described, as GitHub makes anchors of headings: repeated ones are numbered. */
function anchorsOf(packages) {
  const links = new Map();
  for (const [name, { services, messages, enums }] of packages) {
    const seen = new Map();
    const anchor = (heading) => {
      const slug = heading.toLowerCase().replaceAll('.', '');
      const before = seen.get(slug) ?? 0;
      seen.set(slug, before + 1);
      return before === 0 ? slug : `${slug}-${String(before)}`;
    };
    for (const service of services) [service.name, ...service.methods.map((method) => method.name)].forEach(anchor);
    for (const type of [...messages, ...enums]) links.set(`.${name}.${type.name}`, [name, anchor(type.name)]);
  }
  return (typeName, from) => {
    const [name, slug] = links.get(typeName) ?? [];
    // Of google.protobuf and the like: named, not described here.
    if (name === undefined) return `\`${typeName.slice(1)}\``;
    const shown = typeName.slice(name === from ? name.length + 2 : 'godwit.'.length + 1);
    return `[${shown}](${name === from ? '' : pageOf(name)}#${slug})`;
  };
}

const inCell = (text) =>
  text
    .replaceAll('|', '\\|')
    .replace(/\n\s*\n/g, '<br>')
    .replace(/\s*\n\s*/g, ' ');

function typeText(field, link, from) {
  const single = ({ type, typeName }) =>
    typeName === undefined ? type.replace('TYPE_', '').toLowerCase() : link(typeName, from);
  if (field.map !== undefined) return `map of ${single(field.map[0])} to ${single(field.map[1])}`;
  if (field.label === 'LABEL_REPEATED') return `repeated ${single(field)}`;
  return field.proto3Optional ? `optional ${single(field)}` : single(field);
}

function messageText({ name, comment, fields }, link, from) {
  const lines = [`### ${name}`, comment];
  if (fields.length === 0) return [...lines, comment === '' ? 'Has no fields.' : ''].join('\n\n');
  const rows = fields.map((field) => {
    const oneof = field.oneof === undefined ? '' : `_one of ${field.oneof}_ `;
    return `| \`${field.name}\` | ${typeText(field, link, from)} | ${inCell(oneof + field.comment)} |`;
  });
  return [...lines, ['| field | type | |', '| --- | --- | --- |', ...rows].join('\n')].join('\n\n');
}

function enumText({ name, comment, values }) {
  const rows = values.map((value) => `| \`${value.name}\` | ${String(value.number)} | ${inCell(value.comment)} |`);
  return [`### ${name}`, comment, ['| value | number | |', '| --- | --- | --- |', ...rows].join('\n')].join('\n\n');
}

function serviceText({ name, comment, methods }, link, from) {
  const rpcs = methods.map((method) => {
    const takes = `${method.clientStreaming ? 'stream of ' : ''}${link(method.inputType, from)}`;
    const gives = `${method.serverStreaming ? 'stream of ' : ''}${link(method.outputType, from)}`;
    return [`### ${method.name}`, `${takes} → ${gives}`, method.comment].join('\n\n');
  });
  return [`## ${name}`, comment, ...rpcs].join('\n\n');
}

function pageText(name, { sources, services, messages, enums }, link) {
  const source = sources.map((file) => `[\`${file}\`](../../proto/${file})`).join(', ');
  return [
    `# ${name}`,
    `<!-- Written by docs/generate-api.mjs from the comments in proto/: change those. -->`,
    `From ${source}. What holds for all calls: [README](README.md).`,
    ...services.map((service) => serviceText(service, link, name)),
    '## Messages',
    ...messages.map((message) => messageText(message, link, name)),
    ...(enums.length === 0 ? [] : ['## Enums', ...enums.map(enumText)]),
  ].join('\n\n');
}

function indexText(packages) {
  const before = readFileSync(join(folder, INDEX), 'utf8');
  const [start, end] = MARKS.map((mark) => before.indexOf(mark));
  if (start < 0 || end < start) throw new Error(`docs/api/${INDEX} has lost its marks`);
  const rows = [...packages].map(([name, { services, messages }]) => {
    const what = services.map((service) => `\`${service.name}\`, ${String(service.methods.length)} RPCs`);
    return `| [${name}](${pageOf(name)}) | ${what.join(', ') || `${String(messages.length)} messages`} |`;
  });
  const table = ['| package | |', '| --- | --- |', ...rows].join('\n');
  return `${before.slice(0, start)}${MARKS[0]}\n\n${table}\n\n${before.slice(end)}`;
}

async function pages() {
  const packages = new Map([...packagesOf(readFiles())].sort(([a], [b]) => (a < b ? -1 : 1)));
  const link = anchorsOf(packages);
  const texts = new Map([[INDEX, indexText(packages)]]);
  for (const [name, page] of packages) texts.set(pageOf(name), pageText(name, page, link));
  const options = { ...(await resolveConfig(join(folder, INDEX))), parser: 'markdown' };
  return Promise.all([...texts].map(async ([file, text]) => [join(folder, file), await format(text, options)]));
}

const wanted = new Map(await pages());
const present = readdirSync(folder).map((file) => join(folder, file));
const stale = present.filter((file) => !wanted.has(file));
if (process.argv.includes('--check')) {
  const read = (file) => (present.includes(file) ? readFileSync(file, 'utf8') : undefined);
  const different = [...wanted].filter(([file, text]) => read(file) !== text).map(([file]) => file);
  for (const file of [...different, ...stale]) console.error(`${relative(root, file)} is not what proto/ says`);
  if (different.length + stale.length > 0) {
    console.error('Run: pnpm run generate');
    process.exitCode = 1;
  }
} else {
  for (const [file, text] of wanted) writeFileSync(file, text);
  for (const file of stale) rmSync(file);
}
