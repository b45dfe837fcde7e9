"""Emails from the disk."""

import tracemalloc
from pathlib import Path

import pytest

from triage.mailroom.folder import MOST_BYTES, UnreadablePathError, read_emails

EMAIL = b"Subject: Invoice\r\n\r\nWhere do I find it?\r\n"


def texts(path: Path) -> list[bytes]:
    return [raw for _, raw in read_emails(path)]


class TestFiles:
    def test_a_file_is_one_email_byte_for_byte(self, tmp_path: Path) -> None:
        path = tmp_path / "mail.eml"
        for raw in (EMAIL, b"", b"\xff\x00 no header", b"From: ann@example.com\n\nFrom here on\n\nFrom x 10:00 2026\n"):
            path.write_bytes(raw)
            assert list(read_emails(path)) == [(str(path), raw)]

    def test_a_file_with_another_name_too(self, tmp_path: Path) -> None:
        path = tmp_path / "mail.txt"
        path.write_bytes(EMAIL)
        assert texts(path) == [EMAIL]

    def test_an_eml_file_that_begins_like_an_mbox_is_one_email(self, tmp_path: Path) -> None:
        path = tmp_path / "mail.eml"
        path.write_bytes(b"From ann@example.com Thu Mar  5 10:00:00 2026\n" + EMAIL)
        assert len(texts(path)) == 1

    def test_of_a_huge_email_the_first_part_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "mail.eml"
        with path.open("wb") as stream:
            stream.truncate(MOST_BYTES + 10)
        assert [len(raw) for raw in texts(path)] == [MOST_BYTES]


class TestFolders:
    def test_a_folder_gives_its_emails_and_those_of_its_folders_by_name(self, tmp_path: Path) -> None:
        for name in ("b.eml", "a/2.EML", "a/1.eml", "c/d/e.eml", "notes.txt", "README"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        names = [name for name, _ in read_emails(tmp_path)]
        assert names == [str(tmp_path / name) for name in ("a/1.eml", "a/2.EML", "b.eml", "c/d/e.eml")]

    def test_mboxes_in_a_folder_count(self, tmp_path: Path) -> None:
        (tmp_path / "a.mbox").write_bytes(b"From - Thu Mar  5 10:00:00 2026\n" + EMAIL)
        (tmp_path / "b.eml").write_bytes(EMAIL)
        assert [name.rpartition("/")[2] for name, _ in read_emails(tmp_path)] == ["a.mbox#1", "b.eml"]


FROM = b"From ann@example.com Thu Mar  5 10:00:00 2026\n"


class TestMboxes:
    @pytest.mark.parametrize(
        ("mbox", "emails"),
        [
            (FROM + b"A: b\n\nhello\n", [b"A: b\n\nhello\n"]),
            (FROM + b"A: b\n\nhello\n\n" + FROM + b"C: d\n\nbye\n\n", [b"A: b\n\nhello\n", b"C: d\n\nbye\n"]),
            (b"From \nA: b\n\nhello\n\nFrom \nC: d\n\nbye\n", [b"A: b\n\nhello\n", b"C: d\n\nbye\n"]),
            (b"From anybody\nA: b\n\nhello\n", [b"A: b\n\nhello\n"]),
            (
                b"From 17@xxx Mon Nov 11 10:00:00 +0000 2024\r\nA: b\r\n\r\nhello\r\n\r\n" + FROM + b"C: d\r\n\r\nbye",
                [b"A: b\r\n\r\nhello\r\n", b"C: d\r\n\r\nbye"],
            ),
            # What is no beginning: no blank line before it, no date in it, or escaped.
            (FROM + b"A: b\n\nhello\n" + FROM, [b"A: b\n\nhello\n" + FROM]),
            (FROM + b"A: b\n\nhello\n\nFrom here on\n", [b"A: b\n\nhello\n\nFrom here on\n"]),
            (FROM + b"A: b\n\n>From here\n>>From there\n> From us\n", [b"A: b\n\nFrom here\n>From there\n> From us\n"]),
            (FROM + FROM, [FROM]),
            (FROM, [b""]),
            (FROM + b"A: b\n\nends with blank lines\n\n\n\n" + FROM, [b"A: b\n\nends with blank lines\n\n\n", b""]),
        ],
    )
    def test_an_mbox_is_taken_apart(self, tmp_path: Path, mbox: bytes, emails: list[bytes]) -> None:
        path = tmp_path / "box"
        path.write_bytes(mbox)
        numbered = [(f"{path}#{number}", email) for number, email in enumerate(emails, 1)]
        assert list(read_emails(path)) == numbered

    def test_a_line_longer_than_any_buffer(self, tmp_path: Path) -> None:
        line = b"x" * 65536 + b">From inside\n"
        path = tmp_path / "box"
        path.write_bytes(FROM + b"A: b\n\n" + line + b"\n" + FROM + b"C: d\n")
        assert texts(path) == [b"A: b\n\n" + line, b"C: d\n"]

    def test_a_hostile_line_takes_no_time(self, tmp_path: Path) -> None:
        path = tmp_path / "box"
        path.write_bytes(FROM + (b"\nFrom " + b"1:11 " * 13_000 + b"\n") * 20)
        assert len(texts(path)) == 1

    def test_memory_does_not_grow_with_the_mbox(self, tmp_path: Path) -> None:
        path = tmp_path / "box"
        with path.open("wb") as stream:
            for _ in range(40):
                stream.write(FROM + b"A: b\n\n" + b"line of text\n" * 8_000 + b"\n")  # 100 kB each, 4 MB in all
        tracemalloc.start()
        count = sum(1 for _ in read_emails(path))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == 40
        assert peak < 1_000_000


class TestUnreadable:
    def test_a_path_that_does_not_exist_is_told_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadablePathError, match=r"missing\.eml does not exist"):
            read_emails(tmp_path / "missing.eml")

    def test_a_folder_without_emails(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadablePathError, match="holds no"):
            list(read_emails(tmp_path))

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "mail.eml"
        path.symlink_to("/proc/self/mem")  # opens, and fails on reading, for root too
        with pytest.raises(UnreadablePathError, match="cannot be read"):
            list(read_emails(path))
