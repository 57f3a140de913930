"""Where the owners of data sets publish them, on which terms, and in which layout `trainer prepare` expects them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.recipe import SourceKind


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that may be fetched without asking."""

    url: str
    checksum: str | None
    """As pooch writes it, e.g. md5:…; None where nobody has published one."""
    unpacked: str | None = None
    """Folder that an archive goes into; None for a file that stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """What to know before using a data set."""

    title: str
    page: str
    """Where it is published."""
    terms: str
    size: str
    layout: str
    """What `trainer prepare` expects below SOURCE."""
    cite: str
    downloads: tuple[Download, ...] = ()
    """() where the owner asks for a registration, or it is the user's own."""


_KTH = "https://www.csc.kth.se/cvap/actions"
_KTH_ARCHIVES: Final = {
    "walking": "a3e81537271a0ab4576591774baa38c2d97b7e3a",
    "jogging": "21943bdbcef9dad106db0d74661e49eaeaa15a25",
    "running": "da83bb313edfd4455fffdda6263696fa10d43c6f",
    "boxing": "adb36ed9c29c846d44d2ba15f348bd115c951bbd",
    "handwaving": "0792f7cd69f7f895a205c08ac212ddaa7177e370",
    "handclapping": "d3b81261aa822ef63d0d1523f945bfaff27814d2",
}
"""SHA-1 of each action's archive, as other readers of KTH have it."""

OWNERS: Final[Mapping[SourceKind, Owner]] = {
    "kth": Owner(
        title="KTH actions: 25 persons, six actions, four scenes, 599 videos",
        page=f"{_KTH}/",
        terms="public for research, to be cited; no licence text is known",
        size="1.1 GB in six archives",
        layout="any folders with person01_walking_d1_uncomp.avi .., and 00sequences.txt, whose frames are used",
        cite="Schuldt, Laptev and Caputo, Recognizing human actions: a local SVM approach, ICPR 2004",
        downloads=(
            Download(url=f"{_KTH}/00sequences.txt", checksum=None),
            *(
                Download(url=f"{_KTH}/{action}.zip", checksum=f"sha1:{checksum}", unpacked=action)
                for action, checksum in _KTH_ARCHIVES.items()
            ),
        ),
    ),
    "kitti": Owner(
        title="KITTI: drives of a car with four cameras, raw or as the odometry benchmark has them",
        page="https://www.cvlibs.net/datasets/kitti/",
        terms="CC BY-NC-SA 3.0; a registration is needed",
        size="raw data 180 GB, odometry in grey 22 GB",
        layout="2011_09_26/2011_09_26_drive_0039_sync/image_00/{data/0000000021.png .., timestamps.txt}, or "
        "sequences/06/{image_0/000000.png .., times.txt}",
        cite="Geiger, Lenz, Stiller and Urtasun, Vision meets robotics: the KITTI dataset, IJRR 2013",
    ),
    "dtdb": Owner(
        title="DTDB: dynamic textures, 18 classes by dynamics and 45 by appearance",
        page="https://vision.eecs.yorku.ca/research/dtdb/",
        terms="on the authors' page",
        size="over 10,000 videos",
        layout="a folder that is named after train and one after test, with a folder of videos for each class: "
        "train/fire/a.avi, test/fire/b.avi",
        cite="Hadji and Wildes, A new large scale dynamic texture dataset, ECCV 2018",
    ),
    "video": Owner(
        title="videos and folders of images, whosesoever they are",
        page="yours",
        terms="yours",
        size="any: a video is decoded frame after frame",
        layout="files that FFmpeg reads, and folders of PNG or JPEG (16 bits too) in natural order, below SOURCE",
        cite="whoever made them",
    ),
    "radar": Owner(
        title="radar composites of FMI, MeteoSwiss, BoM and KNMI, ODIM HDF5, and netCDF or Zarr with rain",
        page="https://github.com/pySTEPS/pysteps-data (events of all four); https://en.ilmatieteenlaitos.fi/open-data; "
        "https://opendatadocs.meteoswiss.ch; https://www.openradar.io; https://dataplatform.knmi.nl",
        terms="FMI and KNMI: CC BY 4.0; MeteoSwiss and BoM: their own, on their pages",
        size="10 to 300 kB a map",
        layout="any folders with 201609281445_x.pgm.gz (FMI), AQC161932045V_00005.801.gif (MeteoSwiss), "
        "2_20180616_120000.prcp-cscn.nc (BoM), RAD_NL25_RAP_5min_201008260300.h5 (KNMI), ODIM's .h5, or .nc and .zarr "
        "whose variable has CF's units and times",
        cite="the owner; for the events of pysteps-data, Pulkkinen et al., GMD 2019",
    ),
    "array": Owner(
        title="arrays of many sequences, such as the published test set of Moving MNIST",
        page="https://www.cs.toronto.edu/~nitish/unsupervised_video/",
        terms="Moving MNIST: made of MNIST, for research, to be cited",
        size="Moving MNIST: 820 MB, 10,000 sequences of 20 frames",
        layout="a .npy or .npz, or a folder with some: (time, sequence, y, x) or (time, y, x); others by --axes",
        cite="Srivastava, Mansimov and Salakhutdinov, Unsupervised learning of video representations using LSTMs, "
        "ICML 2015",
        downloads=(
            Download(
                url="http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy",
                checksum="md5:be083ec986bfe91a449d63653c411eb2",
            ),
        ),
    ),
}


def how(kind: SourceKind) -> str:
    """Return all of this for a kind, in lines for a terminal."""
    owner = OWNERS[kind]
    fetched = (
        f"trainer prepare {kind} FOLDER --out STORE --download" if owner.downloads else "by hand, as its page says"
    )
    lines = {
        "published": owner.page,
        "terms": owner.terms,
        "size": owner.size,
        "cite": owner.cite,
        "layout": owner.layout,
        "fetched": fetched,
        "prepared": f"trainer prepare {kind} FOLDER --out STORE",
    }
    return "\n".join([owner.title, "", *(f"{name:10}{text}" for name, text in lines.items())])
