// sharp as its documentation has it: node sharp.mjs SIZE OUTPUT FILE...
// Two pictures at a time, a thread each, as the other contenders have two.
import path from 'node:path';
import sharp from 'sharp';

const [, , size, output, ...files] = process.argv;
sharp.concurrency(1);
// Each picture is read once, so a cache only costs memory.
sharp.cache(false);

async function worker() {
  for (let file = files.pop(); file !== undefined; file = files.pop()) {
    await sharp(file)
      .rotate()
      .resize(Number(size), Number(size), { fit: 'inside', withoutEnlargement: true })
      .jpeg({ quality: 80 })
      .toFile(path.join(output, path.basename(file)));
  }
}

await Promise.all([worker(), worker()]);
