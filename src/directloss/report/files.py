"""Another name of `directloss.files.write_whole`."""

from directloss.files import write_whole

write_atomically = write_whole
