package doctor

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/maixstream/maixstream/hw/sg2002"
)

const (
	remedyLibraries = "update the board's image (maixhub.com, Upgrade system), or name their directory with --mpi-lib-dir"
	remedyDrivers   = "install MaixPy or an app that uses the camera (they bring libsophgo-middleware.so), or update the board's image"
)

// libraries checks that the loader finds each of the chip's libraries, all in one place.
func libraries(in *sg2002.Inspection) Check {
	c := Check{Name: "libraries", Status: OK}
	var missing []string
	problem, dirs, count := "", map[string]string{}, 0
	for _, l := range in.Libraries {
		switch {
		case l.Problem != "" && l.Optional:
			continue
		case l.Problem != "":
			missing = append(missing, l.Name)
			c.Items = append(c.Items, l.Name+": "+l.Problem)
			if problem == "" {
				problem = l.Problem
			}
			continue
		}
		c.Items = append(c.Items, l.Name+": "+l.File)
		if !l.Optional {
			count++
			dirs[filepath.Dir(l.File)] = l.File
		}
	}
	switch {
	case len(missing) > 0:
		c.Status, c.Remedy = Wrong, remedyLibraries
		c.Found = fmt.Sprintf("cannot be opened: %s (%s)", firstFew(missing), problem)
	case len(dirs) > 1:
		var files []string
		for _, file := range dirs {
			files = append(files, file)
		}
		c.Status = Wrong
		c.Found = fmt.Sprintf("mixed from two sets: %s; each has separate state, so they crash", firstFew(sorted(files)))
		c.Remedy = "select one directory with --mpi-lib-dir, and clear LD_LIBRARY_PATH"
	default:
		c.Found = fmt.Sprintf("all %d found", count)
		for dir := range dirs {
			c.Found += " in " + dir
		}
	}
	return c
}

// symbols checks that every function that the program needs exists.
func symbols(in *sg2002.Inspection) Check {
	c := Check{Name: "functions", Status: OK, Found: fmt.Sprintf("all %d found", in.Symbols)}
	for _, s := range in.Missing {
		c.Items = append(c.Items, s.Name+" of "+s.Library)
	}
	unopened := map[string]bool{}
	for _, l := range in.Libraries {
		if l.Problem != "" && !l.Optional {
			unopened[l.Name] = true
		}
	}
	switch {
	case len(in.Missing) > 0:
		c.Status = Wrong
		c.Found = fmt.Sprintf("%d of %d missing: %s", len(in.Missing), in.Symbols, firstFew(c.Items))
		c.Remedy = "libraries of another SDK; " + remedyLibraries
	case len(unopened) > 0:
		c.Status, c.Found = Note, "those of missing libraries not checked, all others found"
	}
	return c
}

// drivers checks that the sensors' drivers exist and have a layout that the program knows: calling into another would crash.
func drivers(in *sg2002.Inspection) Check {
	c := Check{Name: "sensor drivers", Status: OK}
	var names, bad, files []string
	older := ""
	for _, d := range in.Drivers {
		if d.Bytes != d.Want {
			bad = append(bad, fmt.Sprintf("%s in %s has %d bytes instead of %d", d.Object, d.File, d.Bytes, d.Want))
			continue
		}
		names = append(names, d.Sensor)
		c.Items = append(c.Items, fmt.Sprintf("%s: %s of %s: %s", d.Object, d.File, d.Date, d.Modes))
		if d.Older {
			older = fmt.Sprintf("; %s of %s is the older version: %s has %s only", d.File, d.Date, d.Sensor, d.Modes)
		}
		if len(files) == 0 || files[len(files)-1] != d.File {
			files = append(files, d.File)
		}
	}
	switch {
	case len(bad) > 0:
		c.Status, c.Items = Wrong, append(c.Items, bad...)
		c.Found = "from a different SDK version: " + firstFew(bad)
		c.Remedy = "use the image's own middleware: update image and MaixPy together, or name its directory with --mpi-lib-dir"
	case len(names) == 0:
		c.Status, c.Found, c.Remedy = Wrong, "no library with sensor drivers found", remedyDrivers
	default:
		c.Found = fmt.Sprintf("%s in %s", strings.Join(names, ", "), strings.Join(sorted(files), ", ")) + older
		if older != "" {
			c.Status, c.Remedy = Note, "for faster modes and other sensors: "+sg2002.NewerDrivers
		}
	}
	if len(in.Broken) > 0 {
		c.Items = append(c.Items, in.Broken...)
		c.Found += "; not to be opened: " + firstFew(in.Broken)
		if c.Status == OK {
			c.Status, c.Remedy = Note, "other sensors and modes may need it; "+remedyDrivers
		}
	}
	return c
}
