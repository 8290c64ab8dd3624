"""Makes references/ with Pillow 11.3.0: python3 make_references.py, in this folder.

Each is what Pillow's Lanczos makes of the whole photograph, upright and in sRGB, to fit 200x200 or the
side that its name ends with. The number printed is the PSNR that is left when Pillow saves that as JPEG of quality 80, 4:2:0.
"""
import io
import math

from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

PHOTOS = ["retina.jpg", "friends_by_Aitzol_Berasategi.jpg", "rocket.jpg", "grace_hopper.jpg", "frozenpond.mpo",
          "camera.png", "pil_sample_cmyk.jpg", "flower2.webp", "transparent.webp", "pil123p.png", "basn2c16.png",
          "icc_profile_big.jpg"]
# Sides at which a JPEG is only just decoded at a half, a quarter and an eighth of its size.
LIMITS = [("rocket.jpg", 228), ("grace_hopper.jpg", 213), ("frozenpond.mpo", 228), ("rocket.jpg", 106),
          ("grace_hopper.jpg", 100), ("frozenpond.mpo", 106), ("retina.jpg", 235), ("grace_hopper.jpg", 41),
          ("frozenpond.mpo", 44), ("retina.jpg", 97), ("friends_by_Aitzol_Berasategi.jpg", 212)]


def psnr(a, b):
    squares = ImageStat.Stat(ImageChops.difference(a, b)).sum2
    mean = sum(squares) / (a.width * a.height * len(squares))
    return 99 if mean == 0 else 10 * math.log10(255 * 255 / mean)


def reduced(name, side):
    photo = Image.open(f"photos/{name}")
    profile = photo.info.get("icc_profile")
    photo = ImageOps.exif_transpose(photo)
    has_alpha = "transparency" in photo.info or photo.mode == "RGBA"
    photo = photo.convert("RGBA" if has_alpha else "RGB")
    if profile and not has_alpha:
        srgb = ImageCms.createProfile("sRGB")
        photo = ImageCms.profileToProfile(photo, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, renderingIntent=1)
    shrink = min(side / photo.width, side / photo.height, 1)
    size = (max(1, round(photo.width * shrink)), max(1, round(photo.height * shrink)))
    reference = photo.resize(size, Image.LANCZOS)
    if has_alpha:
        white = Image.new("RGBA", size, "white")
        reference = Image.alpha_composite(white, reference).convert("RGB")
    return reference


def write(name, side, reference):
    stem = name.rsplit(".", 1)[0]
    # Readers take it for sRGB; the profile that says so would be larger than some of the pictures.
    reference.save(f"references/{stem}{side}.png", optimize=True, icc_profile=None)
    saved = io.BytesIO()
    reference.save(saved, "JPEG", quality=80, subsampling=2)
    return psnr(Image.open(saved), reference)


for name in PHOTOS:
    print(f'("{name}", {write(name, "", reduced(name, 200)):.2f}),')
for name, side in LIMITS:
    print(f'("{name}", {side}, {write(name, f"_{side}", reduced(name, side)):.2f}),')
