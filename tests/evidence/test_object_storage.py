"""The evidence store on S3. The service is outside, so a stand-in answers for it."""

import hashlib
import io
from pathlib import Path

import pytest

from evidence import storage
from evidence.errors import (
    EvidenceDamaged,
    EvidenceMissing,
    StorageUnavailable,
    UploadTooLarge,
)
from evidence.services import run_verification
from tests.bench.bench_object_store import Zeros
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_incident
from tests.object_store import running_object_store, storage_options

pytestmark = pytest.mark.long

boto3 = pytest.importorskip("boto3", reason="needs requirements-s3.txt")
moto = pytest.importorskip("moto", reason="needs moto, the stand-in for S3")
pytest.importorskip("storages", reason="needs requirements-s3.txt")

BUCKET = "evidence-of-tests"
DATA = b"evidence" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def bucket(settings, tmp_path):
    """Give an empty bucket, configured as the settings would."""
    access = {
        "region_name": "eu-central-1",
        "access_key": "testing",
        "secret_key": "testing",
    }
    with moto.mock_aws():
        client = boto3.client(
            "s3",
            region_name="eu-central-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        options = {"bucket_name": BUCKET, "file_overwrite": False, **access}
        settings.STORAGES = {
            **settings.STORAGES,
            "evidence": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": options,
            },
        }
        settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
        yield client


def keys(bucket):
    listed = bucket.list_objects_v2(Bucket=BUCKET)
    return [stored["Key"] for stored in listed.get("Contents", [])]


def keep(data=DATA):
    with storage.receive_stream(io.BytesIO(data)) as incoming:
        incoming.keep()


def spooled(tmp_path: Path):
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_kept_bytes_are_found_by_their_digest(bucket, tmp_path):
    keep()
    assert keys(bucket) == [storage.key_of(DIGEST)]
    assert storage.read_verified(DIGEST) == DATA
    storage.require_intact(DIGEST)
    assert spooled(tmp_path) == []


def test_keeping_the_same_bytes_again_overwrites_nothing(bucket):
    keep()
    before = bucket.head_object(Bucket=BUCKET, Key=storage.key_of(DIGEST))
    keep()
    after = bucket.head_object(Bucket=BUCKET, Key=storage.key_of(DIGEST))
    assert after["LastModified"] == before["LastModified"]


def test_probe_leaves_one_object_and_no_old_versions(bucket):
    versioning = {"Status": "Enabled"}
    bucket.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioning)
    for _ in range(3):
        storage.probe()
    found = bucket.list_object_versions(Bucket=BUCKET)
    assert len(found["Versions"]) == 1
    assert "DeleteMarkers" not in found


@pytest.mark.parametrize("changed", [b"short", DATA[:-1] + b"!"])
def test_sound_bytes_take_the_place_of_a_damaged_object(bucket, changed):
    keep()
    bucket.put_object(Bucket=BUCKET, Key=storage.key_of(DIGEST), Body=changed)
    with pytest.raises(EvidenceDamaged, match="were changed in the store"):
        storage.read_verified(DIGEST)
    with storage.receive_stream(io.BytesIO(DATA)) as incoming:
        keeping = incoming.keep()
    assert keeping.how is storage.Kept.REPAIRED
    assert storage.read_verified(DIGEST) == DATA
    aside = bucket.get_object(Bucket=BUCKET, Key=keeping.damaged_key)
    assert aside["Body"].read() == changed


def test_too_large_upload_leaves_nothing(bucket, settings, tmp_path):
    settings.EVIDENCE_MAX_BYTES = 10
    with (
        pytest.raises(UploadTooLarge),
        storage.receive_stream(io.BytesIO(DATA)),
    ):
        pass
    assert keys(bucket) == []
    assert spooled(tmp_path) == []


def test_missing_object_is_told_from_an_unavailable_bucket(bucket):
    with pytest.raises(EvidenceMissing):
        storage.open_stored(DIGEST)
    bucket.delete_bucket(Bucket=BUCKET)
    with pytest.raises(StorageUnavailable, match="does not answer"):
        keep()


def test_bundle_is_received_and_verified(db, bucket):
    item = receive(make_incident().pk, read_vector("plain"))
    report = run_verification(request_id=item.verification_requests.get().pk)
    assert report.outcome == "verified"
    assert keys(bucket) == [storage.key_of(item.sha256_hex)]


MOST_BYTES = 2 * storage.CHUNK_BYTES


def test_a_file_passes_in_chunks_in_both_directions(
    settings, tmp_path, monkeypatch
) -> None:
    """Whatever its size, a file is never in memory as a whole: 24 chunks, none larger
    than two."""
    size = 24 * storage.CHUNK_BYTES
    reads: list[int] = []
    note_reads(monkeypatch, reads)
    (tmp_path / "store").mkdir()
    with running_object_store(tmp_path / "store") as address:
        settings.STORAGES = {
            **settings.STORAGES,
            "evidence": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": storage_options(address),
            },
        }
        settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
        with storage.receive_stream(Zeros(size)) as incoming:
            incoming.open = lambda: Watched(incoming.path, reads)
            incoming.keep()
        assert reads, "the client read nothing"
        assert max(reads) <= MOST_BYTES, "the client read a whole file to send it"
        sent, reads[:] = sum(reads), []
        assert sent >= size
        with storage.open_intact(incoming.sha256_hex) as file:
            assert sum(map(len, storage.iter_open(file))) == size
        assert sum(reads) == size
        assert max(reads) <= MOST_BYTES, "the client took a whole file at once"


class Watched(io.FileIO):
    """A file that notes how much is read of it at once."""

    def __init__(self, path: Path, reads: list[int]) -> None:
        super().__init__(path)
        self.reads = reads

    def read(self, size: int = -1, /) -> bytes:
        data = super().read(size)
        self.reads.append(len(data))
        return data

    def readall(self) -> bytes:
        return self.read(-1)


def note_reads(monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    """Note how much the client takes of an answer's body at once."""
    from botocore.response import StreamingBody

    plain = StreamingBody.read

    def read(body: StreamingBody, amt: int | None = None) -> bytes:
        data: bytes = plain(body, amt)
        reads.append(len(data))
        return data

    monkeypatch.setattr(StreamingBody, "read", read)
