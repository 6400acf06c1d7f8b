/* SPDX-License-Identifier: Apache-2.0
 * The driver of a fuzz target where libFuzzer is not linked: runs the target once on each file that
 * is named or that stands in a folder named (not in folders below it). Prints "N inputs"; exits 1
 * when there was none, or one could not be read. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 * 1024 * 1024 };

static int run_count;

static bool file_read(const char *path, struct fl_buf *ret)
{
    char chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        fl_buf_add(ret, chunk, n);
    }
    bool good = !ferror(f) && fl_buf_finish(ret, path, NULL) == 0;
    if (!good) {
        (void)fprintf(stderr, "%s: cannot be read whole\n", path);
    }
    (void)fclose(f);
    return good;
}

static bool file_run(const char *path)
{
    fl_auto_val(fl_buf) input = FL_BUF_INIT(INPUT_MAX);
    if (!file_read(path, &input)) {
        return false;
    }
    /* A block of exactly its size, so that a sanitizer sees one byte too much. */
    uint8_t *data = fl_malloc(input.len);
    if (input.len > 0) {
        memcpy(data, input.data, input.len);
    }
    (void)LLVMFuzzerTestOneInput(data, input.len);
    fl_free(data);
    run_count++;
    return true;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool folder_run(const char *path)
{
    bool good = true;
    const struct dirent *entry;
    DIR *dir = opendir(path);
    if (!dir) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    while ((entry = readdir(dir)) != NULL) {
        fl_auto_text file = fl_asprintf("%s/%s", path, entry->d_name);
        if (!is_folder(file)) {
            good = file_run(file) && good;
        }
    }
    (void)closedir(dir);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    for (int i = 1; i < argc; i++) {
        good = (is_folder(argv[i]) ? folder_run(argv[i]) : file_run(argv[i])) && good;
    }
    printf("%d inputs\n", run_count);
    return good && run_count > 0 ? 0 : 1;
}
