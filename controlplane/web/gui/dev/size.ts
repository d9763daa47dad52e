/** Weighs the first load (what the landing page needs, compressed) and fails the build above the limit. */
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Compressed bytes of the landing page at most. */
const FIRST_LOAD_BYTES_MAX = 300_000;

const dist = new URL('../dist/', import.meta.url);
const files = readdirSync(new URL('assets/', dist));
const text = (name: string) => readFileSync(new URL(`assets/${name}`, dist), 'utf8');
const html = readFileSync(new URL('index.html', dist), 'utf8');

/** Files that `name` imports when it is loaded; what it loads later does not count. */
function imports(name: string): string[] {
  const statics = [...text(name).matchAll(/(?:from|import)\s*["']\.\/([^"']+)["']/g)].map((match) => match[1] ?? '');
  return statics.filter((file) => files.includes(file));
}

const wanted = new Set<string>();
const queue = files.filter((file) => html.includes(file) || /^(Overview|Series)-.*\.js$/.test(file) || /^uPlot.*\.css$/.test(file));
for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
  if (wanted.has(file)) continue;
  wanted.add(file);
  if (file.endsWith('.js')) queue.push(...imports(file));
}
const font = files.filter((file) => /^inter-latin-wght-normal.*\.woff2$/.test(file));
const bytes = gzipSync(html).length + [...wanted].reduce((sum, file) => sum + gzipSync(text(file)).length, 0) + font.reduce((sum, file) => sum + readFileSync(new URL(`assets/${file}`, dist)).length, 0);
console.log(`first load: ${(bytes / 1000).toFixed(0)} kB compressed in ${wanted.size + font.length + 1} files, font included (limit ${FIRST_LOAD_BYTES_MAX / 1000} kB)`);
const outside = [...wanted].filter((file) => /https?:\/\/(?!www\.w3\.org|mui\.com|react\.dev|127\.0\.0\.1)[a-z0-9.-]+\.(?:com|net|org|io)\/[^"'`]*\.(?:js|css|woff2?)/i.test(text(file)));
if (outside.length > 0) throw new Error(`these files name resources on other hosts: ${outside.join(', ')}`);
if (bytes > FIRST_LOAD_BYTES_MAX) throw new Error('the first load is too heavy');
