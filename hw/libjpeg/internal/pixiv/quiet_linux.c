#include <stdio.h>

#include <jpeglib.h>

struct jpeg_error_mgr *__real_jpeg_std_error(struct jpeg_error_mgr *errors);
struct jpeg_error_mgr *__wrap_jpeg_std_error(struct jpeg_error_mgr *errors);

static void on_output(j_common_ptr cinfo) { (void)cinfo; }

/*
 * libjpeg prints its warnings about damaged pictures to standard error, one per picture, and go-libjpeg does not change that. The linker's --wrap (quiet_linux.go)
 * sends its calls of jpeg_std_error here.
 */
struct jpeg_error_mgr *__wrap_jpeg_std_error(struct jpeg_error_mgr *errors)
{
	errors = __real_jpeg_std_error(errors);
	errors->output_message = on_output;
	return errors;
}
