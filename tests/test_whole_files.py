"""Files appear whole or not at all, whatever system and disk can."""

import errno
import os
import subprocess
import sys
import textwrap

import pytest

from w2s_fast import GaussianModel, Study, _files
from w2s_fast._files import whole_file
from w2s_fast.study import database, tables
from w2s_fast.study.study import merge_files


def tiny(path):
    model = GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9)
    return Study(model, n=12, N=9, trials=20, path=path)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "file.txt"
    with whole_file(target) as file:
        file.write(b"first")
        assert not target.exists()
    with pytest.raises(KeyboardInterrupt), whole_file(target) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_needs_its_folder_and_not_to_be_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"), whole_file(tmp_path / "none" / "file.txt"):
        pass
    with pytest.raises(IsADirectoryError, match="name a file in it"), whole_file(tmp_path):
        pass
    with pytest.raises(ValueError, match="path is empty"), whole_file(""):
        pass
    with whole_file(tmp_path / ("x" * 249)):
        pass


def no_links(error):
    def link(*arguments, **options):
        raise error

    return link


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EMLINK])
def test_a_new_file_needs_no_hard_links(code, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links(OSError(code, "no hard links here")))
    target = tmp_path / "file.txt"
    with whole_file(target, replace=False) as file:
        file.write(b"first")
        assert not target.exists()
    with (
        pytest.raises(FileExistsError, match="exists: name a new file"),
        whole_file(target, replace=False) as file,
    ):
        file.write(b"second")
    assert target.read_text() == "first"
    late = tmp_path / "late.txt"
    with pytest.raises(FileExistsError), whole_file(late, replace=False):
        late.write_text("another's")
    assert late.read_text() == "another's"
    broken = tmp_path / "broken.txt"
    monkeypatch.setattr(os, "replace", no_links(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"), whole_file(broken, replace=False):
        pass
    assert sorted(tmp_path.iterdir()) == [target, late]


def test_a_system_that_knows_no_hard_links_makes_studies(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "link")
    path = tmp_path / "study.sqlite"
    study = tiny(path).run(progress=False)
    assert repr(Study.open(path).table()) == repr(study.table())  # NaN is not itself
    merge_files([path], tmp_path / "merged.sqlite")
    with pytest.raises(FileExistsError):
        merge_files([path], tmp_path / "merged.sqlite")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["merged.sqlite", "study.sqlite"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes links and pipes")
def test_only_regular_files_are_replaced(tmp_path):
    (tmp_path / "file.txt").write_text("first")
    (tmp_path / "link.txt").symlink_to("file.txt")
    with whole_file(tmp_path / "link.txt") as file:
        file.write(b"second")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "file.txt").read_text() == "second"
    with pytest.raises(OSError, match="is no regular file"), whole_file(os.devnull):
        pass
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(OSError, match="is no regular file"):
        tables.write_csv([{"a": 1}], tmp_path / "pipe.csv")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file.txt", "link.txt", "pipe.csv"]


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
def test_files_have_the_rights_of_the_process_and_never_more(tmp_path):
    target = tmp_path / "file.txt"
    before = os.umask(0o077)
    try:
        with whole_file(target) as file:
            assert rights_of(file.fileno()) == 0o600
    finally:
        os.umask(before)
    assert rights_of(target) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
def test_a_file_keeps_the_rights_of_the_one_it_replaces(tmp_path):
    target = tmp_path / "file.txt"
    target.touch()
    for rights in (0o600, 0o640, 0o666):
        target.chmod(rights)
        with whole_file(target) as file:
            assert rights_of(file.fileno()) == rights
        assert rights_of(target) == rights
    target.chmod(0o444)
    if not os.access(target, os.W_OK):  # root may write all
        with pytest.raises(PermissionError, match="is write-protected"), whole_file(target):
            pass


def rights_of(file):
    return os.stat(file).st_mode & 0o777


KILLED = """
    import sys
    from w2s_fast._files import whole_file
    with whole_file(sys.argv[1]) as file:
        file.write(b"half")
        file.flush()
        print("written", flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="no files without names")
def test_a_killed_process_leaves_no_litter(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("before")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), target]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"written\n"
        child.kill()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_process_killed_as_a_file_takes_its_place_leaves_what_the_next_clears(tmp_path, monkeypatch):
    target = tmp_path / "file.txt"
    target.write_text("before")
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "replace", lambda *_: os._exit(0))
        with whole_file(target) as file:
            file.write(b"killed")
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert (target.read_text(), len(list(tmp_path.iterdir()))) == ("before", 2)
    with whole_file(target) as file:
        file.write(b"after")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["after"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_processes_that_replace_one_file_get_in_nobodys_way(tmp_path):
    target, children = tmp_path / "file.txt", []
    for number in range(4):
        children.append(os.fork())
        if children[-1] == 0:
            try:
                for _ in range(300):
                    with whole_file(target) as file:
                        file.write(str(number).encode() * 1000)
                os._exit(0)
            finally:
                os._exit(1)
    while children:
        if target.exists():
            assert len(set(target.read_text())) == 1
        number, status = os.waitpid(-1, os.WNOHANG)
        if number:
            assert status == 0
            children.remove(number)
    assert len(target.read_text()) == 1000
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("system", ["has no such disk", "knows no such flag", "shows no open files"])
@pytest.mark.parametrize("replace", [False, True])
def test_files_need_not_begin_without_a_name(system, replace, tmp_path, monkeypatch):
    def only_names(path, flags, *rest, **options):
        if os.path.isdir(path) and flags & os.O_RDWR:
            raise OSError(errno.EOPNOTSUPP, "this disk cannot")
        return os_open(path, flags, *rest, **options)

    os_open = os.open
    if system == "has no such disk":
        monkeypatch.setattr(os, "open", only_names)
    elif system == "knows no such flag":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    else:
        monkeypatch.setattr(_files, "OPEN_FILES", str(tmp_path / "proc"))
    target = tmp_path / "file.txt"
    with whole_file(target, replace=replace) as file:
        file.write(b"whole")
        assert [path.name[:5] for path in tmp_path.iterdir()] == [".w2s-"]
    with pytest.raises(KeyboardInterrupt), whole_file(target) as file:
        raise KeyboardInterrupt
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_a_full_disk_says_for_what_it_had_no_room(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '.*file\.txt'"), whole_file(tmp_path / "file.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_system_whose_sqlite_makes_no_images_makes_studies(tmp_path, monkeypatch):
    class Plain(database.Connection):
        def __getattribute__(self, name):
            if name == "serialize":
                raise AttributeError(name)
            return super().__getattribute__(name)

    monkeypatch.setattr(database, "Connection", Plain)
    study = tiny(tmp_path / "study.sqlite").run(progress=False)
    assert repr(Study.open(study.path).table()) == repr(study.table())
    assert [path.name for path in tmp_path.iterdir()] == ["study.sqlite"]
