"""Makes references/ with Pillow 11.3.0: python3 make_references.py, in this folder.

Each is what Pillow's Lanczos makes of the whole photograph, upright and in sRGB, to fit 200x200. The
number printed is the PSNR that is left when Pillow saves that as JPEG of quality 80, 4:2:0.
"""
import io
import math

from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

PHOTOS = ["retina.jpg", "friends_by_Aitzol_Berasategi.jpg", "rocket.jpg", "grace_hopper.jpg", "frozenpond.mpo",
          "camera.png", "pil_sample_cmyk.jpg", "flower2.webp", "transparent.webp", "pil123p.png", "basn2c16.png"]


def psnr(a, b):
    squares = ImageStat.Stat(ImageChops.difference(a, b)).sum2
    mean = sum(squares) / (a.width * a.height * len(squares))
    return 99 if mean == 0 else 10 * math.log10(255 * 255 / mean)


for name in PHOTOS:
    photo = Image.open(f"photos/{name}")
    profile = photo.info.get("icc_profile")
    photo = ImageOps.exif_transpose(photo)
    has_alpha = "transparency" in photo.info or photo.mode == "RGBA"
    photo = photo.convert("RGBA" if has_alpha else "RGB")
    if profile and not has_alpha:
        srgb = ImageCms.createProfile("sRGB")
        photo = ImageCms.profileToProfile(photo, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, renderingIntent=1)
    shrink = min(200 / photo.width, 200 / photo.height, 1)
    size = (max(1, round(photo.width * shrink)), max(1, round(photo.height * shrink)))
    reference = photo.resize(size, Image.LANCZOS)
    if has_alpha:
        white = Image.new("RGBA", size, "white")
        reference = Image.alpha_composite(white, reference).convert("RGB")
    reference.save(f"references/{name.rsplit('.', 1)[0]}.png", optimize=True)
    saved = io.BytesIO()
    reference.save(saved, "JPEG", quality=80, subsampling=2)
    print(f'("{name}", {psnr(Image.open(saved), reference):.2f}),')
