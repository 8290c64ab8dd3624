// How like the originals results are: node ssim.mjs FOLDER FILE...
// Prints the mean structural similarity of luminance (Wang et al. 2004, blocks of 8x8, every fourth pixel)
// to a Lanczos reduction of the whole photograph, which no contender takes: decoded first, at full scale.
import path from 'node:path';
import sharp from 'sharp';

const [, , folder, ...files] = process.argv;
const BLOCK = 8;

async function luminance(image) {
  const { data, info } = await image.toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, step: info.channels };
}

function similarity(a, b) {
  const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];
  let [sum, count] = [0, 0];
  for (let y = 0; y + BLOCK <= a.height; y += BLOCK / 2) {
    for (let x = 0; x + BLOCK <= a.width; x += BLOCK / 2) {
      let [ma, mb, aa, bb, ab] = [0, 0, 0, 0, 0];
      for (let row = y; row < y + BLOCK; row++) {
        for (let column = x; column < x + BLOCK; column++) {
          const pa = a.data[(row * a.width + column) * a.step];
          const pb = b.data[(row * b.width + column) * b.step];
          ma += pa; mb += pb; aa += pa * pa; bb += pb * pb; ab += pa * pb;
        }
      }
      const n = BLOCK * BLOCK;
      ma /= n; mb /= n;
      const [va, vb, cov] = [aa / n - ma * ma, bb / n - mb * mb, ab / n - ma * mb];
      sum += ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
      count += 1;
    }
  }
  return sum / count;
}

let total = 0;
for (const file of files) {
  const result = await luminance(sharp(path.join(folder, path.basename(file))));
  // Pixels and not a file go into the second step, so it cannot ask the decoder for fewer.
  const { data, info } = await sharp(file).rotate().raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  const reduced = sharp(data, { raw }).resize(result.width, result.height, { fit: 'fill', kernel: 'lanczos3' });
  total += similarity(await luminance(reduced), result);
}
console.log(total / files.length);
