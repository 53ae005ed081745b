package film_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/source/internal/film"
)

func TestFilmKeepsTimeAtAnyRate(t *testing.T) {
	for _, c := range []struct{ own, most, shown, plays float64 }{
		{25, 0, 25, 25},
		{5, 0, 5, 5},
		{60, 0, 60, 60},
		{59.94, 0, 59.94, 59.94},
		{25, 30, 25, 25},
		{25, 10, 10, 25},
		{60, 0.5, 0.5, 60},
		{0, 0, 20, 20},
		{0, 50, 50, 50},
		{0, 5, 5, 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			clock, err := film.New(c.own, c.most, 20)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(clock.FPS()-c.shown) > 1e-9 {
				t.Errorf("%g at most %g: %g fps", c.own, c.most, clock.FPS())
			}
			start, shown, played := time.Now(), 0.0, 0.0
			for time.Since(start) < 100*time.Second {
				skip, err := clock.Next(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				shown++
				played += 1 + float64(skip)
			}
			if math.Abs(shown-100*c.shown) > 2 || math.Abs(played-100*c.plays) > 2+c.plays/c.shown {
				t.Errorf("%g at most %g: %g pictures shown in 100 s, %g played", c.own, c.most, shown, played)
			}
		})
	}
}

func TestSetFPSWhilePlaying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, err := film.New(30, 0, 25)
		if err != nil {
			t.Fatal(err)
		}
		for _, most := range []float64{1, 60, 10} {
			if err := clock.SetFPS(most); err != nil {
				t.Fatal(err)
			}
			start, played := time.Now(), 0
			for time.Since(start) < 20*time.Second {
				skip, _ := clock.Next(context.Background(), nil)
				played += 1 + skip
			}
			if math.Abs(float64(played)-600) > 35 {
				t.Errorf("%g at most: %d pictures of 600 played", most, played)
			}
		}
		for _, fps := range []float64{0, -1, math.NaN(), 1e-300, 1e9} {
			if clock.SetFPS(fps) == nil {
				t.Errorf("%g was accepted", fps)
			}
		}
		ended := errors.New("closed")
		clock.Close()
		if _, err := clock.Next(context.Background(), ended); !errors.Is(err, ended) {
			t.Error(err)
		}
	})
}
