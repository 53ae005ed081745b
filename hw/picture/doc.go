// Package picture is an image to draw on and to make a JPEG or PNG of, mirroring the maix.image module of MaixPy.
//
//	img := picture.New(640, 480, picture.RGB)
//	img.DrawRect(60, 60, 80, 80, picture.Red, 1)
//	jpg, err := img.JPEG(80)
//	if err != nil {
//		return err
//	}
//	defer jpg.Release()
//	reply, err := push.Post(ctx, url, jpg)
//
// Nothing here panics on what a caller passes: drawing is clipped to the picture, and a picture that cannot be made carries its
// error (Err), which JPEG and PNG return.
package picture
