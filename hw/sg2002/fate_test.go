//go:build linux && cgo

package sg2002

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// readUntilError reads until a read fails, which must happen in time.
func (b *bench) readUntilError(c *Camera) error {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), within)
	defer cancel()
	for {
		var p frame.Picture
		if err := c.ReadJPEG(ctx, pictureMemory, &p); err != nil {
			return err
		}
	}
}

// expect checks an error's kind and text.
func (b *bench) expect(err, kind error, words ...string) {
	b.Helper()
	if !errors.Is(err, kind) {
		b.Errorf("error %v, want one that wraps %v", err, kind)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			b.Errorf("the error lacks %q: %v", word, err)
		}
	}
}

// reopened opens the camera, which must work by now, closes it, and expects no leaks.
func (b *bench) reopened(config Config) {
	b.Helper()
	camera := b.open(config)
	b.read(camera)
	b.close(camera)
}

// TestUnplugged: unplugging the sensor ends the stream with an error that names it; so does opening until it is back, and then all works again.
func TestUnplugged(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Path: path})
				b.read(camera)
				b.set("unplug=1")
				b.expect(b.readUntilError(camera), frame.ErrGone, "no frame for", "gc4653")
				b.close(camera)
				_, err := Open(b.Context(), Config{Path: path})
				b.expect(err, frame.ErrGone, "gc4653", "cable")
				b.set("unplug=0")
				b.reopened(Config{Path: path})
			})
		})
	}
}

// TestUnpluggedWhileRawFramesAreRead: readers of raw frames get the same error, but not at once if they have not read for a while.
func TestUnpluggedWhileRawFramesAreRead(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{FPS: 1})
		raw := camera.Raw()
		ctx, cancel := context.WithTimeout(b.Context(), within)
		defer cancel()
		read := func() error {
			var f frame.Frame
			err := raw.ReadFrame(ctx, &f)
			f.Release()
			return err
		}
		for range 2 {
			if err := read(); err != nil {
				b.Fatal(err)
			}
			time.Sleep(silence + 500*time.Millisecond) // an empty read follows: the rate is low
		}
		b.set("unplug=1")
		var err error
		for err == nil {
			err = read()
		}
		b.expect(err, frame.ErrGone, "no frame for", "gc4653")
		b.close(camera)
	})
}

// TestSensorComesLater: starts without a sensor fail with an error and leave a single buffer of libisp, however many there are; it is reused once the
// sensor is there, and freed at the end.
func TestSensorComesLater(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "unplug=1"}, func(b *bench) {
				for range 4 {
					_, err := Open(b.Context(), Config{Path: path})
					b.expect(err, frame.ErrGone, "sensor gc4653 does not answer", "cable")
					ion, _ := readCarveout()
					if left := ion.orphans(false); len(left) != 1 || left[0].name != ispBuffer {
						b.Errorf("left after a failed start: %+v", left)
					}
					if n := b.Faults(); n != 0 {
						b.Fatalf("%d faults and leaks after a failed start", n)
					}
				}
				b.set("unplug=0")
				b.reopened(Config{Path: path})
				if ion, _ := readCarveout(); len(ion.orphans(false)) != 0 {
					b.Errorf("left at the end: %+v", ion.orphans(false))
				}
			})
		})
	}
}

// TestSensorStalls: if frames stop for a while, reads wait for them with the camera open.
func TestSensorStalls(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "stall_at=10:1500"}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Path: path})
				var longest time.Duration
				last := time.Now()
				for range 40 {
					b.read(camera)
					longest, last = max(longest, time.Since(last)), time.Now()
				}
				if longest < time.Second {
					b.Errorf("no stall seen: %v", longest)
				}
				b.close(camera)
			})
		})
	}
}

// TestSlowEncoder: an encoder slower than the sensor delivers fewer pictures, all intact and in order.
func TestSlowEncoder(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "encode_us_per_mpixel=100000"}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 1280, Height: 720, Path: path})
				v := view{sensor: image.Pt(1280, 720), fit: "crop", width: 1280, height: 720}
				last := -1
				start := time.Now()
				const pictures = 8
				for range pictures {
					jpg, _ := b.read(camera)
					n := v.number(b, decode(b, jpg))
					if n <= last {
						b.Errorf("frame %d after frame %d", n, last)
					}
					last = n
				}
				// 0.92 million pixels at 100 ms per million.
				if took := time.Since(start); took < (pictures-1)*90*time.Millisecond {
					b.Errorf("%d pictures in %v: the encoder was not slow", pictures, took)
				}
				b.close(camera)
			})
		})
	}
}

// TestEncoderHangs: a picture that takes longer than the driver's timeout is lost; the encoder is recreated and the stream continues.
func TestEncoderHangs(t *testing.T) {
	onBoard(t, scenario{settings: "encode_stall_at=5:3000"}, func(b *bench) {
		camera := b.open(Config{FPS: 60})
		for range 20 {
			b.read(camera)
		}
		b.close(camera)
	})
	// With path bound, the stream pauses for that time.
}

// TestEncoderBroken: an encoder that fails for good ends the stream with the call's name, and the next camera works.
func TestEncoderBroken(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{FPS: 60})
		b.read(camera)
		b.set("fail=CVI_VENC_SendFrame:1:0xC0078012:*")
		b.expect(b.readUntilError(camera), frame.ErrGone, "CVI_VENC_SendFrame", "0xc0078012", "busy")
		b.set("fail=")
		b.close(camera)
		b.reopened(Config{})
	})
}

// TestNotNow: the driver's codes for "nothing yet" and "interrupted" are no errors.
func TestNotNow(t *testing.T) {
	for _, path := range paths {
		calls := map[string][]string{
			"frame": {
				"CVI_VPSS_GetChnFrame:3:0xC006800E:5", "CVI_VENC_SendFrame:3:0xC0078012", "CVI_VENC_SendFrame:5:-1", "CVI_VENC_SendFrame:7:0xC0078041",
				"CVI_VENC_GetStream:3:0xC0078012", "CVI_VENC_GetStream:6:0xC007804B", "CVI_VENC_GetStream:9:-1", "CVI_VENC_GetStream:12:0xC0078043",
				"CVI_VENC_GetStream:15:0xC007800E", "CVI_VENC_ReleaseStream:4:-1", "CVI_VPSS_ReleaseChnFrame:4:-1",
			},
			"bound": {
				"CVI_VENC_GetStream:3:0xC0078012:3", "CVI_VENC_GetStream:8:0xC007804B", "CVI_VENC_GetStream:11:-1", "CVI_VENC_GetStream:13:0xC0078043",
				"CVI_VENC_ReleaseStream:4:-1",
			},
		}[path]
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 320, Height: 240, Path: path})
				for _, call := range calls {
					injected := b.Counter("injected.failures")
					b.set("fail=" + call)
					for range 20 {
						jpg, _ := b.read(camera)
						decode(b, jpg)
					}
					if b.Counter("injected.failures") == injected {
						b.Errorf("%s did not happen", call)
					}
				}
				b.set("fail=;sprinkle=4")
				for range 50 {
					b.read(camera)
				}
				b.set("sprinkle=0;signal=CVI_VPSS_GetChnFrame:1:3,CVI_VENC_GetStream:2:1,CVI_VENC_SendFrame:2:1")
				for range 20 {
					b.read(camera)
				}
				if b.Counter("injected.waits") == 0 {
					b.Error("no wait was interrupted")
				}
				b.close(camera)
			})
		})
	}
}

// TestMemoryShort: too little ION is reported before anything starts, since without room the chip's library would crash; if only the driver's own buffer
// does not fit, that call's error is returned.
func TestMemoryShort(t *testing.T) {
	// 2560x1440: three sensor frames of 5.4 MiB, four more for the stream, 2 MiB for the encoder.
	for name, ion := range map[string]int{"nothing": 22 << 20, "for_a_frame": 30 << 20, "almost": (22 + 39) << 20} {
		t.Run(name, func(t *testing.T) {
			prepare := func(t *testing.T, root string) { bootWith(t, root, fmt.Sprintf("ion=%d", ion)) }
			onBoard(t, scenario{prepare: prepare, settings: fmt.Sprintf("ion=%d", ion)}, func(b *bench) {
				_, err := Open(b.Context(), Config{Width: 2560, Height: 1440})
				b.expect(err, frame.ErrGone, "MiB of ION memory needed", "are free")
				if used := b.Counter("ion.used"); used != 22<<20 {
					b.Errorf("%d bytes are in use after a refusal", used)
				}
			})
		})
	}
	t.Run("sister_board", func(t *testing.T) { // with 48 MiB, a smaller sensor mode is used
		settings := fmt.Sprintf("ion=%d", 48<<20)
		prepare := func(t *testing.T, root string) { bootWith(t, root, settings) }
		onBoard(t, scenario{prepare: prepare, settings: settings}, func(b *bench) {
			camera := b.open(Config{})
			if full := camera.StillSize(); full.Width != 1280 {
				b.Errorf("the sensor has %v", full)
			}
			b.read(camera)
			if used, err := camera.SetMode(640, 480, 25); used != 25 || err != nil || camera.StillSize().Width != 1280 {
				b.Errorf("25 frames per second: %v, %v, %v", used, err, camera.StillSize())
			}
			b.close(camera)
		})
	})
	t.Run("no_room_for_vi", func(t *testing.T) {
		settings := fmt.Sprintf("ion=%d", (22+42)<<20)
		prepare := func(t *testing.T, root string) { bootWith(t, root, settings) }
		onBoard(t, scenario{prepare: prepare, settings: settings}, func(b *bench) {
			_, err := Open(b.Context(), Config{Width: 2560, Height: 1440})
			b.expect(err, frame.ErrGone, "CVI_")
			b.reopened(Config{FPS: 60}) // the smaller mode fits
		})
	})
}

// bootWith reboots the simulated kernel with settings.
func bootWith(t *testing.T, root, settings string) {
	t.Helper()
	for _, verb := range []string{"reset", "settle"} {
		c := exec.Command(maixsim(), verb, root)
		c.Env = append(os.Environ(), "MAIXSIM_SET="+settings)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("maixsim %s: %v: %s", verb, err, out)
		}
	}
}

// TestInUse: the live process that holds the camera is named and left undisturbed; once it is gone its leftovers are cleaned up.
func TestInUse(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		holder := exec.Command(maixsim(), "hold", b.root)
		holder.Env = append(os.Environ(), "MAIXSIM_SET=")
		out, err := holder.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := holder.Start(); err != nil {
			b.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			b.Fatal(err)
		}
		for range 2 {
			_, err = Open(b.Context(), Config{})
			b.expect(err, frame.ErrGone, "in use by", fmt.Sprintf("process %d", holder.Process.Pid), "maixsim")
		}
		if err := holder.Process.Kill(); err != nil {
			b.Fatal(err)
		}
		_ = holder.Wait()
		for until := time.Now().Add(within); inUse() && time.Now().Before(until); { // until the kernel has noticed
			time.Sleep(10 * time.Millisecond)
		}
		b.reopened(Config{})
	})
}

// leak runs a program that dies with the camera open.
func leak(t *testing.T, root string, args ...string) {
	t.Helper()
	if out, err := exec.Command(maixsim(), append([]string{"leak", root}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("maixsim leak: %v: %s", err, out)
	}
}

// TestLeftOpen: a dead process's leftovers, with and without the encoder's lock, are cleaned up; if the modules cannot be reloaded the error says what to do.
func TestLeftOpen(t *testing.T) {
	for name, args := range map[string][]string{"plain": nil, "jpeg_lock": {"--jpeg-lock"}} {
		t.Run(name, func(t *testing.T) {
			onBoard(t, scenario{prepare: func(t *testing.T, root string) { leak(t, root, args...) }}, func(b *bench) {
				if Pools() == 0 {
					b.Fatal("nothing was left")
				}
				b.reopened(Config{})
				if used := b.Counter("ion.used"); used != 22<<20 {
					b.Errorf("%d bytes of ION are still in use", used-22<<20)
				}
			})
		})
	}
	t.Run("no_reload", func(t *testing.T) {
		onBoard(t, scenario{prepare: func(t *testing.T, root string) { leak(t, root) }, settings: "rmmod_fails=soph_vo;vo_user=1", leavesOpen: true}, func(b *bench) {
			_, err := Open(b.Context(), Config{})
			b.expect(err, frame.ErrGone, "rmmod", "soph_vo", "reboot")
			for _, module := range append(load, "soph_sys") {
				if !Loaded(module) {
					b.Errorf("%s was not reloaded", module)
				}
			}
		})
	})
}

// TestInterruptedReload: a process killed between unloading and loading the modules leaves a board without nodes; the next one completes the reload.
func TestInterruptedReload(t *testing.T) {
	prepare := func(t *testing.T, root string) {
		for _, module := range unload {
			if out, err := exec.Command(filepath.Join(root, "bin", "rmmod"), module).CombinedOutput(); err != nil {
				t.Fatalf("rmmod %s: %v: %s", module, err, out)
			}
		}
		if out, err := exec.Command(filepath.Join(root, "bin", "insmod"), "soph_base.ko").CombinedOutput(); err != nil {
			t.Fatalf("insmod: %v: %s", err, out)
		}
	}
	onBoard(t, scenario{prepare: prepare}, func(b *bench) {
		if len(MissingNodes()) == 0 {
			b.Fatal("no node is missing")
		}
		b.reopened(Config{})
		for _, module := range load {
			if !Loaded(module) {
				b.Errorf("%s is not loaded", module)
			}
		}
		if _, err := os.Stat(Root("/dev/cvi_vc_enc9")); err == nil {
			b.Error("the encoder has more nodes than the image's")
		}
	})
}

// TestNodesMissing: each missing device node is reported by name.
func TestNodesMissing(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		for _, node := range Nodes() {
			if err := os.Rename(Root(node), Root(node)+".away"); err != nil {
				b.Fatal(err)
			}
			_, err := Open(b.Context(), Config{})
			b.expect(err, frame.ErrGone, node+" missing", "modules")
			if err := os.Rename(Root(node)+".away", Root(node)); err != nil {
				b.Fatal(err)
			}
		}
		b.reopened(Config{})
	})
}

// TestTwice: a process has one camera at most.
func TestTwice(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{})
		_, err := Open(b.Context(), Config{})
		b.expect(err, frame.ErrGone, "already open")
		b.read(camera)
		if err := camera.Close(); err != nil {
			b.Error(err)
		}
		if err := camera.Close(); err != nil {
			b.Errorf("closed twice: %v", err)
		}
		b.expect(camera.ReadJPEG(b.Context(), pictureMemory, &frame.Picture{}), frame.ErrGone, "closed")
		if _, err := camera.SetQuality(30); !errors.Is(err, frame.ErrGone) {
			b.Errorf("quality of a closed camera: %v", err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		if _, err := Open(ctx, Config{}); !errors.Is(err, context.Canceled) {
			b.Errorf("opened with a cancelled context: %v", err)
		}
	})
}

// TestCallNeverReturns: a hanging call is reported by name after a while, blocks nothing else, and leaves the rest of the program working.
func TestCallNeverReturns(t *testing.T) {
	for _, c := range []struct {
		call string
		path string
	}{
		{"CVI_VENC_GetStream", "frame"}, {"CVI_VPSS_GetChnFrame", "frame"}, {"CVI_VENC_ReleaseStream", "bound"},
	} {
		t.Run(c.call, func(t *testing.T) {
			onBoard(t, scenario{leavesOpen: true}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Path: c.path})
				b.read(camera)
				b.set("stall=" + c.call + ":1:120000")
				err := b.readUntilError(camera)
				b.expect(err, frame.ErrGone, c.call, "does not come back")
				start := time.Now()
				if err := camera.Close(); err != nil {
					b.Errorf("close: %v", err)
				}
				if took := time.Since(start); took > 5*time.Second {
					b.Errorf("close took %v", took)
				}
				b.expect(camera.ReadJPEG(b.Context(), pictureMemory, &frame.Picture{}), frame.ErrGone)
				_, err = Open(b.Context(), Config{})
				b.expect(err, frame.ErrGone, "driver hung; restart required")
				b.expect(err, frame.ErrStuck)
			})
		})
	}
	t.Run("Close", func(t *testing.T) {
		onBoard(t, scenario{leavesOpen: true}, func(b *bench) {
			camera := b.open(Config{FPS: 60})
			b.read(camera)
			b.set("stall=CVI_ISP_Exit:1:120000")
			start := time.Now()
			b.expect(camera.Close(), frame.ErrGone, "CVI_ISP_Exit", "driver hung; restart required")
			if took := time.Since(start); took > 3*downTimeout {
				b.Errorf("close took %v", took)
			}
			_, err := Open(b.Context(), Config{})
			b.expect(err, frame.ErrGone, "driver hung; restart required")
		})
	})
	t.Run("Resize", func(t *testing.T) {
		onBoard(t, scenario{leavesOpen: true}, func(b *bench) {
			camera := b.open(Config{FPS: 60})
			b.set("stall=CVI_VENC_DestroyChn:1:120000")
			err := camera.Resize(320, 240)
			b.expect(err, frame.ErrGone, "CVI_VENC_DestroyChn", "driver hung; restart required")
			if strings.Contains(err.Error(), "going back") {
				b.Errorf("another call was made in a hung session: %v", err)
			}
		})
	})
	for _, c := range []struct{ name, call, settings string }{
		{"Open", "CVI_VI_EnableChn", ""}, {"Open_without_sensor", "CVI_MIPI_SetSensorClock", "sensor=none"}, {"Open_after_death", "CVI_VPSS_StopGrp", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			prepare := func(t *testing.T, root string) {
				if c.name == "Open_after_death" {
					leak(t, root)
				}
			}
			onBoard(t, scenario{prepare: prepare, settings: c.settings, leavesOpen: true}, func(b *bench) {
				b.set("stall=" + c.call + ":1:120000")
				_, err := Open(b.Context(), Config{})
				b.expect(err, frame.ErrGone, c.call, "driver hung; restart required")
			})
		})
	}
}

// TestInfoNeverWaits: Info returns at once even while a call hangs.
func TestInfoNeverWaits(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{FPS: 60})
		camera.mu.Lock() // as a hanging call does
		received := make(chan frame.Info, 1)
		go func() { received <- camera.Info() }()
		select {
		case info := <-received:
			if info.Name != "gc4653" || info.Width != 640 || info.FPS != 60 {
				b.Errorf("info: %+v", info)
			}
		case <-time.After(within):
			b.Error("Info waits for the call")
		}
		camera.mu.Unlock()
		b.close(camera)
	})
}

// TestSignals: however many signals the program gets, none interrupts a wait of the driver, and no picture is lost.
func TestSignals(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				stop := catchSignals()
				defer stop()
				done := make(chan struct{})
				defer close(done)
				go func() {
					for i := 0; ; i++ {
						select {
						case <-done:
							return
						default:
						}
						_ = syscall.Kill(os.Getpid(), []syscall.Signal{syscall.SIGURG, syscall.SIGPROF, syscall.SIGALRM, syscall.SIGUSR1, syscall.SIGCHLD}[i%5])
						time.Sleep(200 * time.Microsecond)
					}
				}()
				for range 3 {
					camera := b.open(Config{FPS: 60, Path: path, Overlay: "%S"})
					for range 60 {
						b.read(camera)
					}
					b.close(camera)
				}
			})
		})
	}
}

// TestNotABoard: on another machine the error says why there is no camera.
func TestNotABoard(t *testing.T) {
	onBoard(t, scenario{board: "none"}, func(b *bench) {
		b.Setenv("MAIXSTREAM_MPI_LIBS", "")
		_, err := Open(b.Context(), Config{})
		b.expect(err, ErrNoBoard, "not a MaixCAM", "device-tree")
		b.expect(err, frame.ErrUnsupported)
	})
}
