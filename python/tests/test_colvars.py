"""Column files of PLUMED: written, read, cut and incomplete."""

from __future__ import annotations

import errno
import gc

import numpy as np
import pytest

from phasewire.errors import InputError
from phasewire.files.colvars import ColumnWriter, back_up, cut_after, read_columns

FIELDS = ("time", "fraction.fcc", "metad.bias")


def written(path, times, **options):
    with ColumnWriter(path, FIELDS, **options) as writer:
        for time in times:
            writer.write({"time": time, "fraction.fcc": time / 3.0, "metad.bias": -0.1 * time})
    return path


def test_what_is_written_is_read_to_the_last_bit_also_by_numpy(tmp_path):
    path = written(tmp_path / "COLVAR", [0.0, 0.1, 1e-300, 12345678.9], constants={"multivariate": False, "k": 2})
    found = read_columns(path)
    assert found.fields == FIELDS
    assert found.constants == {"multivariate": "false", "k": "2"}
    np.testing.assert_array_equal(found["time"], [0.0, 0.1, 1e-300, 12345678.9])
    np.testing.assert_array_equal(found["fraction.fcc"], found["time"] / 3.0)
    np.testing.assert_array_equal(np.loadtxt(path), found.rows)
    assert path.read_text().startswith(
        "#! FIELDS time fraction.fcc metad.bias\n#! SET multivariate false\n#! SET k 2\n"
    )
    assert len(found) == 4


def test_numbers_that_are_none_are_written_and_read(tmp_path):
    with ColumnWriter(tmp_path / "COLVAR", ("time", "x")) as writer:
        writer.write({"time": 0.0, "x": np.nan})
        writer.write({"time": 1.0, "x": -np.inf})
    np.testing.assert_array_equal(read_columns(tmp_path / "COLVAR")["x"], [np.nan, -np.inf])
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "COLVAR")[:, 1], [np.nan, -np.inf])


def test_a_file_of_plumed_is_read(tmp_path):
    path = tmp_path / "HILLS"
    path.write_text(
        "#! FIELDS time phi sigma_phi height biasf\n#! SET multivariate false\n#! SET kerneltype gaussian\n"
        "                     1      -1.234567     0.35     1.333333   10\n# a remark\n\n"
        "#! FIELDS time phi sigma_phi height biasf\n#! SET multivariate false\n"
        " 2 1.5 0.35 0.9 10\n"
    )
    found = read_columns(path)
    np.testing.assert_array_equal(found.rows, [[1, -1.234567, 0.35, 1.333333, 10], [2, 1.5, 0.35, 0.9, 10]])
    assert found.constants == {"multivariate": "false", "kerneltype": "gaussian"}


def test_a_row_is_there_as_soon_as_it_is_written(tmp_path):
    writer = ColumnWriter(tmp_path / "COLVAR", ("time", "x"))
    for time in range(3):
        writer.write({"time": time, "x": 1.0})
        assert len(read_columns(tmp_path / "COLVAR")) == time + 1
    # A file that is never closed gives no warning.
    del writer
    gc.collect()


def test_a_last_line_that_is_torn_is_left_out_wherever_it_is_torn(tmp_path):
    path = written(tmp_path / "COLVAR", [0.0, 1.0, 2.0])
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for length in range(last, len(whole)):
        path.write_bytes(whole[:length])
        assert read_columns(path)["time"].tolist() == [0.0, 1.0]
    path.write_bytes(whole)
    assert read_columns(path)["time"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("time", "kept"), [(-1.0, 0), (0.0, 1), (1.5, 2), (2.0, 3), (9.0, 3)])
def test_a_restart_drops_rows_after_its_time_and_a_torn_one(tmp_path, time, kept):
    path = written(tmp_path / "COLVAR", [0.0, 1.0, 2.0], constants={"k": 1})
    with path.open("ab") as stream:
        stream.write(b" 3.0 0.1 -")
    written(path, [10.0, 11.0], constants={"k": 1}, restart_time=time)
    assert read_columns(path)["time"].tolist() == [*[0.0, 1.0, 2.0][:kept], 10.0, 11.0]
    assert path.read_text().count("FIELDS") == 1
    assert not list(tmp_path.glob("bck.*"))


def test_a_restart_without_a_file_or_with_half_a_header_begins_one(tmp_path):
    written(tmp_path / "A", [1.0], restart_time=5.0)
    (tmp_path / "B").write_bytes(b"#! FIELDS ti")
    written(tmp_path / "B", [1.0], restart_time=5.0)
    assert (tmp_path / "A").read_bytes() == (tmp_path / "B").read_bytes()


def test_a_new_run_moves_what_is_there_away(tmp_path):
    for time in (0.0, 1.0, 2.0):
        written(tmp_path / "COLVAR", [time])
    names = ["bck.0.COLVAR", "bck.1.COLVAR", "COLVAR"]
    assert [read_columns(tmp_path / name)["time"][0] for name in names] == [0.0, 1.0, 2.0]
    assert back_up(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("fields", "constants"), [(("time", "x", "metad.bias"), {}), (FIELDS[:2], {}), (FIELDS, {"k": 2})]
)
def test_a_restart_with_other_columns_is_refused_and_the_rows_stay(tmp_path, fields, constants):
    path = written(tmp_path / "COLVAR", [0.0, 1.0])
    with pytest.raises(InputError) as refused:
        ColumnWriter(path, fields, constants=constants, restart_time=1.0)
    assert refused.value.code == "BAD_OPTION"
    assert refused.value.field == "COLVAR"
    assert read_columns(path)["time"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1 2\n", 1),
        ("#! FIELDS time x\n1 2 3\n", 2),
        ("#! FIELDS time x\n1 2\n1 one\n", 3),
        ("#! FIELDS time x\n1\n1 2\n", 2),
        ("#! FIELDS time x\n1 2\n#! FIELDS time y\n", 3),
        ("#! FIELDS time x\n#! SOMETHING else\n", 2),
        ("", 1),
    ],
)
def test_what_is_no_column_file_is_refused_with_the_line(tmp_path, text, line):
    (tmp_path / "COLVAR").write_text(text)
    with pytest.raises(InputError, match=f"FILE_FORMAT: line {line}:"):
        read_columns(tmp_path / "COLVAR")


def test_files_that_are_not_there_and_rows_of_other_columns_are_refused(tmp_path):
    for attempt in (read_columns, lambda path: cut_after(path, 0.0), lambda path: ColumnWriter(path, ("time",))):
        with pytest.raises(InputError, match="FILE_ACCESS"):
            attempt(tmp_path / "no" / "COLVAR")
    for fields in [("x", "time"), ("time", "time"), ("time", "a b"), ()]:
        with pytest.raises(InputError, match="BAD_OPTION"):
            ColumnWriter(tmp_path / "COLVAR", fields)
    with ColumnWriter(tmp_path / "COLVAR", ("time", "x")) as writer:
        for row in ({"time": 1.0}, {"time": 1.0, "x": 1.0, "y": 1.0}):
            with pytest.raises(InputError, match="BAD_OPTION"):
                writer.write(row)
    with pytest.raises(InputError, match="no such column"):
        read_columns(tmp_path / "COLVAR")["y"]


def test_a_disk_that_fills_up_leaves_no_part_of_a_line(tmp_path):
    path = tmp_path / "COLVAR"
    writer = ColumnWriter(path, ("time", "x"))
    writer.write({"time": 0.0, "x": 1.0})
    real = writer._stream

    class Full:
        """Accepts four bytes and then no more."""

        taken = False

        def __getattr__(self, name):
            return getattr(real, name)

        def write(self, data):
            if self.taken:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.taken = True
            return real.write(data[:4])

    writer._stream = Full()
    with pytest.raises(InputError, match="FILE_ACCESS"):
        writer.write({"time": 1.0, "x": 1.0})
    writer._stream = real
    writer.write({"time": 1.0, "x": 2.0})
    np.testing.assert_array_equal(read_columns(path).rows, [[0.0, 1.0], [1.0, 2.0]])
